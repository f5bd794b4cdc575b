-- Notes that a worker lives and returns how many do.
-- KEYS[1]  sorted set of workers by when, in ms of the server's clock, each was last heard of
-- ARGV[1]  the worker
-- ARGV[2]  after how many ms of silence a worker does not count any more
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])
