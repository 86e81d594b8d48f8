-- Consumers that take 100 messages, commit, acknowledge them, and commit, until
-- there are none: events of a subscription with delivery => 'fetch', and
-- messages of a queue like pgmq's (batch.sql).
CREATE SCHEMA consume;

CREATE PROCEDURE consume.events(consumer text)
	LANGUAGE plpgsql
	AS $$
DECLARE
	lease		text;
	events		jadugar.event_info[];
BEGIN
	LOOP
		SELECT max(f.token), array_agg(f.event) INTO lease, events
		FROM jadugar.fetch_events('bench', consumer, 100) f;
		COMMIT;
		EXIT WHEN lease IS NULL;
		PERFORM jadugar.ack(lease);
		COMMIT;
	END LOOP;
END $$;

-- The same with one commit for 100: each call acknowledges those before.
CREATE PROCEDURE consume.events_at_once(consumer text)
	LANGUAGE plpgsql
	AS $$
DECLARE
	lease		text;
	events		jadugar.event_info[];
BEGIN
	LOOP
		SELECT max(f.token), array_agg(f.event) INTO lease, events
		FROM jadugar.fetch_events('bench', consumer, 100, ack => lease) f;
		COMMIT;
		EXIT WHEN lease IS NULL;
	END LOOP;
END $$;

CREATE PROCEDURE consume.messages(consumer text)
	LANGUAGE plpgsql
	AS $$
DECLARE
	ids			bigint[];
	messages	jsonb[];
BEGIN
	LOOP
		SELECT array_agg(r.msg_id), array_agg(r.message) INTO ids, messages
		FROM batch.read(30, 100) r;
		COMMIT;
		EXIT WHEN ids IS NULL;
		PERFORM batch.archive(ids);
		COMMIT;
	END LOOP;
END $$;
