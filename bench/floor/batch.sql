-- The work of pgmq in plain SQL, for machines without pgmq. One transaction reads
-- messages, which hides them for a time, runs one INSERT for each, and archives
-- them. Columns and indexes are those of a pgmq queue. There are no delayed
-- retries, no owners and no records of errors: a batch fails as a whole.
CREATE SCHEMA batch;
CREATE TABLE batch.queue (
	msg_id		bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	read_ct		integer NOT NULL DEFAULT 0,
	enqueued_at	timestamptz NOT NULL DEFAULT now(),
	vt			timestamptz NOT NULL,
	message		jsonb
);
CREATE INDEX queue_vt ON batch.queue (vt ASC);
CREATE TABLE batch.archive (
	msg_id		bigint PRIMARY KEY,
	read_ct		integer NOT NULL DEFAULT 0,
	enqueued_at	timestamptz NOT NULL DEFAULT now(),
	archived_at	timestamptz NOT NULL DEFAULT now(),
	vt			timestamptz NOT NULL,
	message		jsonb
);
CREATE INDEX archive_at ON batch.archive (archived_at);

CREATE FUNCTION batch.send(messages jsonb[]) RETURNS void
	LANGUAGE sql
	BEGIN ATOMIC
		INSERT INTO batch.queue (vt, message)
		SELECT clock_timestamp(), m.message FROM unnest(messages) AS m(message);
	END;

-- The query is planned at each call with its actual numbers, as pgmq's is.
CREATE FUNCTION batch.read(seconds integer, n integer)
	RETURNS TABLE (msg_id bigint, message jsonb)
	LANGUAGE plpgsql
	AS $$
BEGIN
	RETURN QUERY EXECUTE '
		WITH claimed AS (
			SELECT q.msg_id FROM batch.queue q WHERE q.vt <= clock_timestamp()
			ORDER BY q.msg_id LIMIT $1 FOR UPDATE SKIP LOCKED)
		UPDATE batch.queue q
		SET vt = clock_timestamp() + make_interval(secs => $2), read_ct = q.read_ct + 1
		FROM claimed c WHERE q.msg_id = c.msg_id
		RETURNING q.msg_id, q.message' USING n, seconds;
END $$;

CREATE FUNCTION batch.archive(ids bigint[]) RETURNS void
	LANGUAGE sql
	BEGIN ATOMIC
		WITH done AS (
			DELETE FROM batch.queue q WHERE q.msg_id = ANY (ids)
			RETURNING q.msg_id, q.vt, q.read_ct, q.enqueued_at, q.message)
		INSERT INTO batch.archive (msg_id, vt, read_ct, enqueued_at, message)
		SELECT d.msg_id, d.vt, d.read_ct, d.enqueued_at, d.message FROM done d;
	END;

-- Works without a client until the queue is empty, for a lower bound.
CREATE PROCEDURE batch.work()
	LANGUAGE plpgsql
	AS $$
DECLARE
	ids			bigint[];
	messages	jsonb[];
	message		jsonb;
BEGIN
	LOOP
		SELECT array_agg(r.msg_id), array_agg(r.message) INTO ids, messages
		FROM batch.read(30, 100) r;
		EXIT WHEN ids IS NULL;
		FOREACH message IN ARRAY messages LOOP
			INSERT INTO effect VALUES ((message->>'n')::integer);
		END LOOP;
		PERFORM batch.archive(ids);
		COMMIT;
	END LOOP;
END $$;
