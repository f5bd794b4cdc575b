-- Counts the answer to one refresh and returns {dead links, all answers} of the window.
-- KEYS[1]  sorted set of the links that were last answered grant dead, by ms
-- KEYS[2]  hash: how many answers there were in each grain of time
-- ARGV[1]  the link
-- ARGV[2]  1 if its grant is dead, else 0
-- ARGV[3]  ms of the window
-- ARGV[4]  ms of a grain
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window, grain = tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
if ARGV[2] == '0' or not known then
  redis.call('HINCRBY', KEYS[2], tostring(math.floor(now / grain)), 1)
end
if ARGV[2] == '1' then
  redis.call('ZADD', KEYS[1], now, ARGV[1])
else
  redis.call('ZREM', KEYS[1], ARGV[1])
end
local all, answers = 0, redis.call('HGETALL', KEYS[2])
for i = 1, #answers, 2 do
  if tonumber(answers[i]) <= math.floor((now - window) / grain) then
    redis.call('HDEL', KEYS[2], answers[i])
  else
    all = all + tonumber(answers[i + 1])
  end
end
redis.call('PEXPIRE', KEYS[1], window + grain)
redis.call('PEXPIRE', KEYS[2], window + grain)
local dead = redis.call('ZCARD', KEYS[1])
return {dead, math.max(all, dead)}
