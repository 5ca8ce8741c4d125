-- Which campaigns and senders a key had in a period: the days of their counters, by the messages' arrival.
CREATE INDEX counter_source_day ON counter (key_id, source, slot) WHERE grain = 1 AND timing = 0 AND source <> 0;
