-- Data of events that is accepted without a conversion.
CREATE SCHEMA test_event;
CREATE TYPE test_event.plain AS (i2 smallint, i4 integer, i8 bigint, n numeric, n2 numeric(4, 2), t text,
	vc varchar, vc3 varchar(3), b boolean, j jsonb, d date, u uuid);
SELECT jadugar.register_event_type('plain', 'test_event.plain');
CREATE FUNCTION test_event.is_accepted(p jsonb, published boolean) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF published THEN
		PERFORM jadugar.publish('plain', p);
	ELSE
		PERFORM jsonb_populate_record(NULL::test_event.plain, p);
	END IF;
	RETURN true;
EXCEPTION WHEN OTHERS THEN
	RETURN false;
END $$;
WITH tried AS (
	SELECT jsonb_build_object(field, value) AS p
	FROM unnest('{i2, i4, i8, n, n2, t, vc, vc3, b, j, d, u}'::text[]) field, unnest(ARRAY[
		'null', 'true', '"x"', '"abcd"', '"äöü"', '"äöüß"', '""', '0', '-0', '1', '1.0', '1.5', '1e2', '-1', '99.99', '100',
		'32767', '-32768', '32768', '2147483647', '-2147483648', '2147483648', '123456789012345678', '1234567890123456789',
		'9223372036854775807', '9223372036854775808', '1e400', '"12"', '" 12"', '"true"', '"2026-01-28"', '"2026-02-30"',
		'"2024-02-29"', '"2026-00-10"', '"0000-01-01"', '"2026-13-01"', '"2026-1-1"', '"2026-01-28 "', '"today"', '[]', '{}',
		'[1]', '"6f9619ff-8b86-d011-b42d-00c04fc964ff"'
	]::jsonb[]) value)
SELECT p FROM tried WHERE test_event.is_accepted(p, true) <> test_event.is_accepted(p, false);
SELECT count(*) FROM jadugar.read_events('{plain}');
SELECT jadugar.drop_event_type('plain');
SET client_min_messages = warning;
DROP SCHEMA test_event CASCADE;
