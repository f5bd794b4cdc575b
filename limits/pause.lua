-- Makes a key live at least so long, and never shorter than it would have.
-- KEYS[1]  the pause of an app
-- ARGV[1]  ms from now
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
end
return 0
