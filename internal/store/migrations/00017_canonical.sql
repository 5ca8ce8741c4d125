-- Addresses that are kept to be compared have the one canonical form: the least quoting, Unicode's composed form (NFC),
-- lower case, the domain in A-labels. Of rows that were written in another the program makes it (canonical.go).
SELECT 1;
