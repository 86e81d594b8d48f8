-- One of the two databases: rows with a clock, a trigger that sends changes, and a
-- table that receives them. Variables: node, other, resolver.

\c sync_:node
SET client_min_messages = warning;
CREATE EXTENSION jadugar;
CREATE EXTENSION postgres_fdw;

CREATE TABLE note (
    id integer PRIMARY KEY,
    body text NOT NULL,
    node text NOT NULL,                 -- that has changed it last
    changed_at timestamptz NOT NULL,
    clock jsonb NOT NULL
);

-- ------------------------------------------------------------------ the way out

SELECT format('CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)',
    split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), 'sync_' || :'other') \gexec
CREATE USER MAPPING FOR CURRENT_USER SERVER other;
CREATE FOREIGN TABLE outgoing (id integer, body text, node text, changed_at timestamptz, clock jsonb)
    SERVER other OPTIONS (schema_name 'public', table_name 'incoming');

-- A change by a user gets the next clock of this node. One that has come from the
-- other database keeps its own.
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('sync.applying', true), '') <> 'on' THEN
        NEW.node := TG_ARGV[0];
        NEW.changed_at := clock_timestamp();
        NEW.clock := jadugar.clock_tick(CASE TG_OP WHEN 'UPDATE' THEN OLD.clock ELSE '{}' END, TG_ARGV[0]);
    END IF;
    RETURN NEW;
END $$;

-- The outbox: a task that sends the row, in the transaction that changes it. If one
-- runs already, the new one runs after it. A task that waits sends this change, too.
CREATE FUNCTION send_later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('sync.applying', true), '') <> 'on' THEN
        PERFORM jadugar.enqueue('SELECT push($1)', jsonb_build_object('id', NEW.id), unique_key => 'push/' || NEW.id, on_conflict => 'next',
            retry => jadugar.retry_policy(1000, delay => '20 ms', max_delay => '1 s'));
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION push(payload jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO outgoing SELECT n.id, n.body, n.node, n.changed_at, n.clock FROM note n WHERE n.id = (payload ->> 'id')::integer $$;

SELECT format('CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON note FOR EACH ROW EXECUTE FUNCTION stamp(%L)', :'node') \gexec
CREATE TRIGGER send_later AFTER INSERT OR UPDATE ON note FOR EACH ROW EXECUTE FUNCTION send_later();

-- ------------------------------------------------------------------- the way in

-- Resolvers decide between two versions that were changed independently. Both
-- databases call them, with the versions in different orders, so the result must
-- not depend on the order.
CREATE FUNCTION last_write_wins(a note, b note) RETURNS note LANGUAGE sql AS $$
    SELECT CASE WHEN (a.changed_at, a.node) > (b.changed_at, b.node) THEN a ELSE b END $$;
CREATE FUNCTION longer_body(a note, b note) RETURNS note LANGUAGE sql AS $$
    SELECT CASE WHEN (length(a.body), a.body, a.changed_at, a.node) > (length(b.body), b.body, b.changed_at, b.node) THEN a ELSE b END $$;
SELECT format('CREATE FUNCTION resolve(a note, b note) RETURNS note LANGUAGE sql AS ''SELECT %I(a, b)''', :'resolver') \gexec

CREATE TABLE incoming (LIKE note);

-- Applies a version. A repetition changes nothing: its clock is not newer. The
-- sessions of postgres_fdw have another search_path.
CREATE FUNCTION apply() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
DECLARE
    remote note := NEW;
    mine note;
    merged note;
BEGIN
    PERFORM set_config('sync.applying', 'on', true);
    LOOP
        INSERT INTO note SELECT (remote).* ON CONFLICT (id) DO NOTHING;
        EXIT WHEN FOUND;
        SELECT * INTO mine FROM note n WHERE n.id = remote.id FOR UPDATE;
        CONTINUE WHEN NOT FOUND;
        CASE jadugar.clock_compare(mine.clock, remote.clock)
            WHEN 'before' THEN merged := remote;
            WHEN 'concurrent' THEN
                merged := resolve(mine, remote);
                merged.clock := jadugar.clock_merge(mine.clock, remote.clock);
            ELSE EXIT;
        END CASE;
        UPDATE note n SET body = merged.body, node = merged.node, changed_at = merged.changed_at, clock = merged.clock WHERE n.id = merged.id;
        EXIT;
    END LOOP;
    PERFORM set_config('sync.applying', '', true);
    RETURN NULL;
END $$;
CREATE TRIGGER apply BEFORE INSERT ON incoming FOR EACH ROW EXECUTE FUNCTION apply();

-- Waits until no task is left.
CREATE PROCEDURE settle() LANGUAGE plpgsql AS $$
DECLARE
    id bigint;
BEGIN
    LOOP
        SELECT min(task_id) INTO id FROM jadugar.tasks;
        EXIT WHEN id IS NULL;
        PERFORM jadugar.wait(id, '10 s');
        COMMIT;
    END LOOP;
END $$;
