-- Counters of five minutes are deleted by their age: by this they are found.
CREATE INDEX counter_fine ON counter (slot) WHERE grain = 0;
