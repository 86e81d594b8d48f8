-- Random writes in both databases, cuts between them, and repetitions. Variable:
-- writes, their number in each database and round.

\c sync_east
CREATE PROCEDURE public.write_notes(writes integer) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. writes LOOP
        INSERT INTO note (id, body) VALUES (1 + floor(random() * 40), left(md5(random()::text), (1 + floor(random() * 30))::integer))
        ON CONFLICT (id) DO UPDATE SET body = excluded.body;
        COMMIT;
    END LOOP;
END $$;
SELECT pg_get_functiondef('public.write_notes'::regproc) AS write_notes \gset
\c sync_west
:write_notes;

-- While they write for the first and the third time, the databases cannot reach each other.
\ir cut.sql
\c sync_east
CALL write_notes(:writes);
\c sync_west
CALL write_notes(:writes);
\ir mend.sql
\c sync_east
CALL write_notes(:writes);
\c sync_west
CALL write_notes(:writes);
\ir cut.sql
\c sync_west
CALL write_notes(:writes);
\c sync_east
CALL write_notes(:writes);
-- rows that were sent are sent again
SELECT count(jadugar.enqueue('SELECT push($1)', jsonb_build_object('id', id))) AS "sent again" FROM note;
\ir mend.sql
