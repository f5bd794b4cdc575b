-- Counts answers to refreshes and returns {dead links, all answers} of the window.
-- KEYS[1]  sorted set of the links that were last answered grant dead, by ms
-- KEYS[2]  hash: how many answers there were in each grain of time
-- ARGV[1]  ms of the window
-- ARGV[2]  ms of a grain
-- ARGV[3]  the link whose grant is dead, or "": there is none
-- ARGV[4]  and on: the links whose answers were others, before that
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window, grain, died = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local new = #ARGV - 3
for i = 4, #ARGV do
  redis.call('ZREM', KEYS[1], ARGV[i])
end
if died ~= '' then
  if not redis.call('ZSCORE', KEYS[1], died) then
    new = new + 1
  end
  redis.call('ZADD', KEYS[1], now, died)
end
if new > 0 then
  redis.call('HINCRBY', KEYS[2], tostring(math.floor(now / grain)), new)
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
