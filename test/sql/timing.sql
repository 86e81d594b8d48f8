-- The type jadugar.timing: grammar, occurrences, descriptions.
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';
\pset format unaligned
\pset fieldsep ' | '

-- Every form, its canonical text and its description; the text reads back as the
-- same timing.
SELECT t AS text, t::jadugar.timing AS canonical,
       jadugar.describe(t::jadugar.timing),
       CASE WHEN (t::jadugar.timing)::text::jadugar.timing
                 OPERATOR(jadugar.=) t::jadugar.timing
            THEN '' ELSE 'NOT THE SAME' END AS again
FROM unnest(ARRAY[
    '* * * * *', '0 3 * * *', '0 9,12 * * *', '5 * * * *', '*/5 * * * *',
    '*/7 * * * *', '0,30 * * * *', '0 */2 * * *', '30 */2 * * *',
    '0 */6 * * *', '*/15 9-17 * * MON-FRI', '0 8-18 * * 1-5',
    '5/15 3 * * *', '0-59 3 * * *', '* 3 * * *', '*/15,7 3 * * *',
    '*/5 */3 * * *', '*/20 8,9,10,14-16 * * *', '3 1,4,6,9,11 * * *',
    '3,4 1,4,6,9,11,13 * * *', '0 0 0 * * *', '10 0 3 * * *',
    '* * * * * *', '*/10 * * * * *', '15,45 * * * * *',
    '*/5 10 5 * * *', '7 */30 9-17 * * *', '30 0 0 L * *',
    '0 0 1 * *', '0 0 L-3 * ?', '0 0 L-1 * ?', '0 0 ? * ?', '0 0 15W * *',
    '0 0 LW * *', '0 0 1,15W,L-2,l,lw * *', '0 0 1/10 * *', '0 0 */2 * *',
    '0 0 * * FRI#2', '0 0 * * 5L', '0 0 * * friL', '0 0 * * 7',
    '0 0 * * 7L', '0 0 * * 7#1', '0 0 * * 5-7', '0 0 * * SAT,SUN',
    '0 0 * * MON/2', '0 0 * * */2', '0 3 * * 1-5,6L,SUN#3',
    '0 0 1,15 * FRI', '0 0 13 * &FRI', '0 0 13 * &*', '0 0 */2 * 1',
    '0 0 1-31 * 1', '0 0 1-7 * &MON', '0 0 25-31 * &5L',
    '0 0 29 2 *', '0 0 1 */3 *', '0 0 * 1 *', '0 0 * JUN-aug,Dec *',
    '00 03 * 01 *', E'\t 0  3 *\n* * ',
    '@hourly', '@daily', '@midnight', '@weekly', '@monthly', '@yearly',
    '@annually', '@Daily', '@startup', ' @STARTUP ', 'manual', 'Manual'
]) WITH ORDINALITY AS x(t, n) ORDER BY n;

SELECT t AS text, t::jadugar.timing AS canonical,
       jadugar.describe(t::jadugar.timing)
FROM unnest(ARRAY[
    'every 90 seconds', 'EVERY 1 Minute', 'every minute', 'every 2 hours',
    'every 1 day', 'every week', 'every 1 month', 'every 14 months',
    'every 2 years', 'every 1 month 2 days 03:04:05', 'every 1h30m',
    'every 1.5 seconds', 'every 1500 ms', 'every 36 hours', '30 seconds',
    '1.5 hours', '90s', '2 weeks', '1 year 1 mon 1 day', '00:00:01',
    '1 day 00:30', 'every 1000 years',
    'at 2026-12-01 09:00+01', 'at 2026-12-01 09:00:00.25', 'AT 2026-12-01',
    'at 2026-12-01 09:00 America/New_York', 'at 12345-01-02 00:00+00',
    'at 0044-03-15 12:00+00 BC'
]) WITH ORDINALITY AS x(t, n) ORDER BY n;

-- The text does not depend on the settings of the session.
SET TimeZone = 'Asia/Kolkata';
SET DateStyle = 'German';
SET IntervalStyle = 'iso_8601';
SELECT 'at 2026-12-01 09:00+01'::jadugar.timing,
       interval '1 month 2 hours'::jadugar.timing,
       'at 2026-12-01 00:00'::jadugar.timing AS local,
       ('at 2026-12-01 00:00'::jadugar.timing)::text::jadugar.timing AS again;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

-- Invalid texts: position and hint.
SELECT left(t, 30) AS text, jadugar.validate(t)
FROM unnest(ARRAY[
    -- number of fields
    '', '   ', '30', '* * * *', '* * * * * * *',
    -- out of range
    '60 * * * *', '* 24 * * *', '* * 0 * *', '* * 32 * *', '* * * 0 *',
    '* * * 13 *', '* * * * 8', '60 * * * * *', '1-60 * * * *',
    '99999999999999999999 * * * *', '* * L-31 * *', '* * L-0 * *',
    '* * 32W * *', '* * * * 5#6', '* * * * 5#0', '* * * * 8L',
    -- backwards ranges
    '* * * * FRI-MON', '* * * * sat-sun', '* * * * 5-1', '* * * * 7-2',
    '* 22-2 * * *', '* 22-2/2 * * *', '50-10 * * * *', '* * * NOV-FEB *',
    '* * 30-2 * *',
    -- steps
    '*/0 * * * *', '*/60 * * * *', '* */24 * * *', '* * */32 * *',
    '10-20/11 * * * *', '10-20/0 * * * *', '50/15 * * * *',
    '1/ * * * *', '*/ * * * *', '*/x * * * *',
    -- empty parts
    ',1 * * * *', '1, * * * *', '1,,2 * * * *', '1- * * * *', '- * * * *',
    '* * * * &', '* * * * 5#', '* * L- * *',
    -- misplaced characters
    '*5 * * * *', '1-5- * * * *', '1-5/2/2 * * * *', '-1 * * * *',
    '+1 * * * *', '1.5 * * * *', '? * * * *', '* * L-3W * *',
    '* * 15X * *', '* * * * L', '* * * * 5L2', '* * * * 15W', '* * * * FRI#',
    '* L * * *', '0 22 $ * *', '0 MON * * *', '* * * * MONDAY', '* * * JANUARY *',
    '* * MON * *', '* * & * *', '* * * * &&5', '* * * * 1-5L',
    -- digits that are not ASCII
    U&'\0663 * * * *', U&'0 \0663 * * *', U&'* * * * M\00C4N', U&'0\FF10 * * * *',
    -- trailing text
    '0 3 * * * VACUUM', '@daily x', 'manual now', '@startup 5',
    'every 5 minutes please', 'every hour 5',
    -- no occurrence
    '0 0 30 2 *', '0 0 31 4,6,9,11 *', '0 0 31W 2 *', '0 0 8-14 * &MON#1',
    '0 0 L-30 2 *', '* * */31 * 1#2',
    -- macros and words
    '@reboot', '@every 5m', '@dayly', '@', 'VACUUM', 'tomorrow', 'ever',
    -- intervals
    'every', 'every 5', 'every 0 seconds', 'every -5 minutes',
    'every 1 day -1 hour', '-5 minutes', 'every 5 minutes ago',
    'every 0.5 seconds', 'every 999 ms', 'every 1.5 days', 'every 1.5 months',
    'every day at 3', 'every 2 days At 03:00', 'every monday', 'every week on Friday',
    'every 5 fortnights', '5 parsecs', 'every 1 hour, 30 minutes',
    'every 2000 years', 'every 1001 years', '99999999999999999999 seconds',
    'every infinity', 'every 1:99', 'every 1:', 'every 1.0000001 seconds',
    -- instants
    'at', 'at foo', 'at 2026-13-01', 'at 2026-02-30 00:00', 'at infinity',
    'at -infinity', '2026-12-01 09:00+01', '2026-12-01',
    -- length
    repeat('1,', 600) || '1 * * * *'
]) WITH ORDINALITY AS x(t, n) ORDER BY n;
SELECT jadugar.validate(t) IS NULL AS valid FROM unnest(ARRAY[
    '0 3 * * *', 'every 5 minutes', 'at 2026-12-01', '@startup', 'manual'
]) AS t;
SELECT jadugar.validate(NULL) IS NULL AS null_is_null;

-- The error of the input function is complete.
SELECT '0 0 * * FRI-MON'::jadugar.timing;
SELECT '0 25 * * *'::jadugar.timing;
SELECT 'at 2026-13-01'::jadugar.timing;
SELECT jadugar.next_time('0 3 * * *', '2026-01-01', 'Mars/Phobos');
SELECT jadugar.next_time('0 3 * * *', '2026-01-01', '');
DO $$
BEGIN
    PERFORM '60 * * * *'::jadugar.timing;
EXCEPTION WHEN SQLSTATE 'JD001' THEN
    RAISE NOTICE 'JD001: %', SQLERRM;
END $$;

-- Casts.
CREATE TEMP TABLE holder (id int, t jadugar.timing);
INSERT INTO holder VALUES (1, '0 3 * * *'), (2, interval '5 minutes'),
    (3, timestamptz '2026-12-01 09:00+01');
INSERT INTO holder SELECT 4, text '@weekly';
SELECT id, t, t::text || '' AS text FROM holder ORDER BY id;
SELECT interval '1 month 2 days 03:00'::jadugar.timing,
       interval '1.5 seconds'::jadugar.timing,
       timestamptz '2026-12-01 09:00+01'::jadugar.timing,
       text '5 4 * * *'::jadugar.timing,
       varchar '5 4 * * *'::jadugar.timing;
SELECT jadugar.describe(interval '2 hours');
SELECT jadugar.describe(timestamptz '2026-12-01 09:00+01');
SELECT interval '0'::jadugar.timing;
SELECT interval '-1 day'::jadugar.timing;
SELECT interval '1 day -1 hour'::jadugar.timing;
SELECT interval '0.9 seconds'::jadugar.timing;
SELECT interval '1001 years'::jadugar.timing;
SELECT timestamptz 'infinity'::jadugar.timing;

-- A text is a timing where one is required, and no comparison becomes
-- ambiguous.
CREATE DOMAIN test_word AS varchar;
CREATE TEMP TABLE words (t text, v varchar(20), d test_word);
INSERT INTO words VALUES ('@daily', '@daily', '@daily');
SELECT jadugar.describe(t), jadugar.describe(v), jadugar.describe(d), jadugar.describe('@daily') FROM words;
SELECT jadugar.next_time(t, '2026-01-01', 'UTC'), jadugar.next_time(v, '2026-01-01', 'UTC') FROM words;
SELECT jadugar.describe(t) FROM (VALUES ('60 * * * *'::text)) AS bad (t);
PREPARE by_text(text, varchar) AS SELECT jadugar.describe($1), jadugar.describe($2);
EXECUTE by_text('@hourly', '@weekly');
DEALLOCATE by_text;
DO $$
DECLARE
	t text := 'every 5 minutes';
	v varchar := '@monthly';
BEGIN
	PERFORM jadugar.schedule('test_timing', t, 'SELECT 1');
	PERFORM jadugar.alter_schedule('test_timing', timing => v);
	PERFORM jadugar.reschedule('test_timing', t);
END $$;
SELECT timing FROM jadugar.schedules WHERE name = 'test_timing';
SELECT jadugar.alter_schedule('test_timing', timing => '@yearly');
SELECT timing FROM jadugar.schedules WHERE name = 'test_timing';
SELECT jadugar.unschedule('test_timing');
SELECT h.t OPERATOR(jadugar.=) '@weekly' AS literal, h.t OPERATOR(jadugar.=) text '0 0 * * 0' AS text,
	varchar '0 0 * * SUN' OPERATOR(jadugar.=) h.t AS varchar FROM holder AS h WHERE id = 4;
SET search_path = jadugar, public;
SELECT h.t = '@weekly' AS literal, h.t = text '0 0 * * 0' AS text, h.t IN ('manual', '0 0 * * 0') AS list,
	h.t = ANY (ARRAY['@weekly'::text]) AS "array", h.t || '' AS text, '' || h.t AS text, coalesce(h.t, '@daily')
FROM holder AS h WHERE id = 4;
SELECT t = v AS tv, v = t AS vt, v = v AS vv, t = 'x' AS tu, v = 'x' AS vu, v < 'x' AS lt, t <= v AS le, v > d AS vd,
	t || v AS cat, v || v, v IN ('a', '@daily') AS list, v = ANY ('{a,@daily}'), 'a' = 'b' AS uu, v::char(9) = v AS cv,
	v::name = v AS nv, t ~ v AS re FROM words;
SELECT min(v), max(t), count(DISTINCT v) FROM words;
SELECT * FROM holder AS h JOIN (VALUES ('00 03 * * *'::text)) AS w (t) ON h.t = w.t;
SELECT describe(t), describe('@daily') FROM words;
RESET search_path;
DROP TABLE words;
DROP DOMAIN test_word;

-- Order, equality, hash.
SELECT a, b,
       a::jadugar.timing OPERATOR(jadugar.=) b::jadugar.timing AS eq,
       a::jadugar.timing OPERATOR(jadugar.<>) b::jadugar.timing AS ne,
       a::jadugar.timing OPERATOR(jadugar.<) b::jadugar.timing AS lt,
       a::jadugar.timing OPERATOR(jadugar.<=) b::jadugar.timing AS le,
       a::jadugar.timing OPERATOR(jadugar.>) b::jadugar.timing AS gt,
       a::jadugar.timing OPERATOR(jadugar.>=) b::jadugar.timing AS ge,
       jadugar_internal.timing_cmp(a::jadugar.timing, b::jadugar.timing) AS cmp,
       jadugar_internal.timing_hash(a::jadugar.timing) =
       jadugar_internal.timing_hash(b::jadugar.timing) AS hash,
       jadugar_internal.timing_hash_extended(a::jadugar.timing, 7) =
       jadugar_internal.timing_hash_extended(b::jadugar.timing, 7) AS hash7
FROM (VALUES
    ('0 3 * * *', '0 0 3 * * *'), ('@daily', '0 0 * * *'),
    ('0 0 * * SUN', '0 0 * * 7'), ('*/30 * * * *', '0,30 * * * *'),
    ('*/30 3 * * *', '0,30 3 * * *'), ('0 0 1 * 5', '0 0 1 * &5'),
    ('every 24 hours', 'every 1 day'), ('every 60 minutes', 'every 1 hour'),
    ('every 30 days', 'every 1 month'), ('every 1 hour', 'every 2 hours'),
    ('at 2026-01-01 00:00+01', 'at 2025-12-31 23:00+00'),
    ('at 2026-01-01', 'at 2026-01-02'), ('manual', '@startup'),
    ('0 3 * * *', 'manual')) AS x(a, b);
SELECT t FROM (VALUES ('manual'::jadugar.timing), ('@startup'),
    ('at 2026-01-01'), ('at 2025-01-01'), ('every 1 month'),
    ('every 90 seconds'), ('every 30 days'), ('0 3 * * *'), ('0 4 * * *'),
    ('0 3 1 * *')) AS x(t) ORDER BY t;
SELECT t, count(*) FROM (VALUES ('@daily'::jadugar.timing), ('0 0 * * *'),
    ('0 0 0 * * *'), ('manual')) AS x(t) GROUP BY t ORDER BY t;
CREATE UNIQUE INDEX ON holder (t);
INSERT INTO holder VALUES (5, '0 0 3 * * *');
CREATE INDEX ON holder USING hash (t);
SELECT count(*) FROM holder a JOIN holder b ON a.t OPERATOR(jadugar.=) b.t;

-- The binary form: a version, then the canonical text.
SELECT t, encode(substr(jadugar_internal.timing_send(t), 1, 1), 'hex') AS version,
       convert_from(substr(jadugar_internal.timing_send(t), 2), 'UTF8') = t::text AS same
FROM (VALUES ('*/15 9-17 * * 1-5'::jadugar.timing), ('every 1.5 seconds'),
      ('at 2026-12-01 08:00:00.5+00'), ('manual')) AS x(t);

-- The same bytes read back; unknown versions and invalid bytes do not.
CREATE TEMP TABLE copied (t jadugar.timing);
COPY copied FROM PROGRAM $$printf 'PGCOPY\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\026\001*/15 9-17 * * MON-FRI\377\377'$$
    (FORMAT binary);
COPY copied FROM PROGRAM $$printf 'PGCOPY\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\022\001every 1.5 seconds\377\377'$$
    (FORMAT binary);
SELECT t FROM copied ORDER BY t;
COPY copied FROM PROGRAM $$printf 'PGCOPY\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\007\002manual\377\377'$$
    (FORMAT binary);
COPY copied FROM PROGRAM $$printf 'PGCOPY\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\000\377\377'$$
    (FORMAT binary);
COPY copied FROM PROGRAM $$printf 'PGCOPY\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\001\001\377\377'$$
    (FORMAT binary);
COPY copied FROM PROGRAM $$printf 'PGCOPY\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\013\00160 * * * *\377\377'$$
    (FORMAT binary);
COPY copied FROM PROGRAM $$printf 'PGCOPY\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\003\001\377\376\377\377'$$
    (FORMAT binary);
COPY copied FROM PROGRAM $$printf 'PGCOPY\012\377\015\012\000\000\000\000\000\000\000\000\000\000\001\000\000\000\010\001manual\000\377\377'$$
    (FORMAT binary);

-- Occurrences.
CREATE FUNCTION pg_temp.occurrences_in(t jadugar.timing, zone text, after timestamptz, n int)
RETURNS TABLE (utc text, wall text) LANGUAGE sql AS $$
    SELECT to_char(o AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || 'Z',
           to_char(o AT TIME ZONE zone, 'Dy YYYY-MM-DD HH24:MI:SS')
    FROM jadugar.occurrences(t, zone, after, n) AS o
$$;

SELECT jadugar.next_time('0 3 * * *', '2026-01-01 02:59:59.999999Z', 'UTC');
SELECT jadugar.next_time('0 3 * * *', '2026-01-01 03:00Z', 'UTC');
SELECT jadugar.next_time('0 3 * * *', after => '2026-01-01 03:00Z', timezone => 'Asia/Kolkata');
SET TimeZone = 'Asia/Kolkata';
SELECT jadugar.next_time('0 3 * * *', '2026-01-01 03:00Z');
SET TimeZone = 'UTC';
SELECT jadugar.next_time('at 2026-01-01', '2025-12-31 23:59:59Z'),
       jadugar.next_time('at 2026-01-01', '2026-01-01 00:00Z') AS past,
       jadugar.next_time('manual', '2026-01-01') AS manual,
       jadugar.next_time('@startup', '2026-01-01') AS startup,
       jadugar.next_time(NULL, '2026-01-01') AS of_null,
       jadugar.next_time('0 3 * * *', 'infinity') AS infinite;
SELECT jadugar.next_time('0 3 1 1 *', '-infinity'),
       jadugar.next_time('@yearly', '294276-01-01 00:00Z', 'UTC') AS last,
       jadugar.next_time('every 1 day', '294276-12-31 12:00Z', 'UTC') AS end;
SELECT jadugar.next_time('* * * * * *') BETWEEN now() AND clock_timestamp() + interval '2 seconds' AS soon;

SELECT * FROM jadugar.occurrences('0 3 * * *', 'UTC', '2026-01-01', 3);
SELECT count(*) FROM jadugar.occurrences('0 3 * * *', 'UTC', '2026-01-01');
SELECT count(*) FROM jadugar.occurrences('0 3 * * *', 'UTC', '2026-01-01', 10000);
SELECT count(*) FROM jadugar.occurrences('0 3 * * *', 'UTC', '2026-01-01', 0);
SELECT count(*) FROM jadugar.occurrences(NULL, 'UTC', '2026-01-01', 5);
SELECT count(*) FROM jadugar.occurrences('at 2026-01-01', 'UTC', '2025-01-01');
SELECT jadugar.occurrences('0 3 * * *', 'UTC', '2026-01-01', 10000) LIMIT 2;
SELECT jadugar.occurrences('0 3 * * *', 'UTC', '2026-01-01', 10001);
SELECT jadugar.occurrences('0 3 * * *', 'UTC', '2026-01-01', -1);

-- Rare days: 29 February on a Monday, a fifth Friday in February, ...
SELECT * FROM pg_temp.occurrences_in('0 0 29 2 &MON', 'UTC', '2026-01-01', 3);
SELECT * FROM pg_temp.occurrences_in('0 0 * 2 FRI#5', 'UTC', '2026-01-01', 2);
SELECT * FROM pg_temp.occurrences_in('0 0 31 12 &0', 'UTC', '2026-01-01', 2);
SELECT * FROM pg_temp.occurrences_in('0 0 13 * &FRI', 'UTC', '2026-01-01', 3);

-- Both days restricted: either matches; with a leading star, both have to match.
SELECT * FROM pg_temp.occurrences_in('0 0 13 * FRI', 'UTC', '2026-02-01', 5);
SELECT * FROM pg_temp.occurrences_in('0 0 */10 * MON', 'UTC', '2026-01-01', 3);
SELECT * FROM pg_temp.occurrences_in('0 0 10-12 * */3', 'UTC', '2026-01-01', 3);

-- L, L-3, nW, LW, d#n, dL.  2026: 31 January is a Saturday, 28 February a
-- Saturday, 31 May a Sunday, 1 August a Saturday, 15 August a Saturday, 15
-- November a Sunday.
SELECT * FROM pg_temp.occurrences_in('0 0 L * *', 'UTC', '2026-01-01', 4);
SELECT * FROM pg_temp.occurrences_in('0 0 L-3 * *', 'UTC', '2026-01-01', 3);
SELECT * FROM pg_temp.occurrences_in('0 0 LW * *', 'UTC', '2026-01-01', 5);
SELECT * FROM pg_temp.occurrences_in('0 0 1W 8 *', 'UTC', '2026-01-01', 1);
SELECT * FROM pg_temp.occurrences_in('0 0 15W 8,11 *', 'UTC', '2026-01-01', 2);
SELECT * FROM pg_temp.occurrences_in('0 0 31W * *', 'UTC', '2026-01-01', 4);
SELECT * FROM pg_temp.occurrences_in('0 0 * * FRI#2', 'UTC', '2026-01-01', 3);
SELECT * FROM pg_temp.occurrences_in('0 0 * * 5#5', 'UTC', '2026-01-01', 3);
SELECT * FROM pg_temp.occurrences_in('0 0 * * 7L', 'UTC', '2026-01-01', 3);

-- America/New_York 2026: 8 March 02:00 becomes 03:00; 1 November 02:00
-- becomes 01:00.  Fixed times: once per date.
SELECT * FROM pg_temp.occurrences_in('30 2 * * *', 'America/New_York', '2026-03-07 00:00Z', 3);
SELECT * FROM pg_temp.occurrences_in('0,30 2,3 * * *', 'America/New_York', '2026-03-08 05:00Z', 3);
SELECT * FROM pg_temp.occurrences_in('30 1 * * *', 'America/New_York', '2026-10-31 12:00Z', 2);
SELECT * FROM pg_temp.occurrences_in('15,45 0-23 * * *', 'America/New_York', '2026-11-01 04:50Z', 4);
-- A star on the minute or the hour: real time.
SELECT * FROM pg_temp.occurrences_in('*/30 * * * *', 'America/New_York', '2026-03-08 06:00Z', 3);
SELECT * FROM pg_temp.occurrences_in('30 */2 * * *', 'America/New_York', '2026-03-08 05:00Z', 2);
SELECT * FROM pg_temp.occurrences_in('*/30 2 * * *', 'America/New_York', '2026-03-08 05:00Z', 2);
SELECT * FROM pg_temp.occurrences_in('@hourly', 'America/New_York', '2026-11-01 04:30Z', 4);
SELECT * FROM pg_temp.occurrences_in('*/30 1 * * *', 'America/New_York', '2026-11-01 04:30Z', 5);
-- Searches from within the second pass, and from between the end of a gap and its
-- occurrence.
SELECT * FROM pg_temp.occurrences_in('45 1 * * *', 'America/New_York', '2026-11-01 06:10Z', 1);
SELECT * FROM pg_temp.occurrences_in('45 * * * *', 'America/New_York', '2026-11-01 06:10Z', 1);
SELECT * FROM pg_temp.occurrences_in('30 2 * * *', 'America/New_York', '2026-03-08 07:00Z', 1);

-- Europe/Berlin: 29 March 2026 02:00 becomes 03:00; 25 October 03:00 becomes 02:00.
SELECT * FROM pg_temp.occurrences_in('30 2 * * *', 'Europe/Berlin', '2026-03-28 00:00Z', 3);
SELECT * FROM pg_temp.occurrences_in('30 2 * * *', 'Europe/Berlin', '2026-10-24 12:00Z', 2);

-- Australia/Lord_Howe moves by half an hour: 5 April 2026 02:00 becomes
-- 01:30; 4 October 02:00 becomes 02:30.
SELECT * FROM pg_temp.occurrences_in('45 1 * * *', 'Australia/Lord_Howe', '2026-04-04 12:00Z', 2);
SELECT * FROM pg_temp.occurrences_in('*/15 1 * * *', 'Australia/Lord_Howe', '2026-04-04 13:50Z', 7);
SELECT * FROM pg_temp.occurrences_in('15 2 * * *', 'Australia/Lord_Howe', '2026-10-02 16:00Z', 2);

-- Pacific/Apia had no 30 December 2011: no occurrence then.
SELECT * FROM pg_temp.occurrences_in('0 3 * * *', 'Pacific/Apia', '2011-12-29 00:00Z', 4);
SELECT * FROM pg_temp.occurrences_in('0 */6 * * *', 'Pacific/Apia', '2011-12-30 00:00Z', 3);
SELECT * FROM pg_temp.occurrences_in('0 12 30 12 *', 'Pacific/Apia', '2011-01-01 00:00Z', 2);

-- No occurrence twice and none out of order, second by second through an overlap
-- and a gap.
SELECT t, count(*) AS asked,
       count(*) FILTER (WHERE n <= s) AS not_later,
       count(*) FILTER (WHERE n < before) AS descending
FROM (SELECT t, s, jadugar.next_time(t, s, z) AS n,
             lag(jadugar.next_time(t, s, z)) OVER (PARTITION BY t, z ORDER BY s) AS before
      FROM (VALUES ('30 1,2 * * *'::jadugar.timing), ('*/20 * * * *'),
                   ('0 0 * * *')) AS x(t),
           (VALUES ('America/New_York', timestamptz '2026-11-01 03:00Z'),
                   ('America/New_York', '2026-03-08 05:00Z'),
                   ('Australia/Lord_Howe', '2026-04-04 13:00Z'),
                   ('Pacific/Apia', '2011-12-30 08:00Z')) AS y(z, a),
           generate_series(a, a + interval '4 hours', interval '17 seconds') AS s) AS q
GROUP BY t ORDER BY t;

-- Intervals: elapsed time, or calendar time anchored to the original day.
SELECT * FROM pg_temp.occurrences_in('every 90 seconds', 'UTC', '2026-01-01', 3);
SELECT * FROM pg_temp.occurrences_in('every 24 hours', 'America/New_York', '2026-03-07 07:30Z', 2);
SELECT * FROM pg_temp.occurrences_in('every 1 day', 'America/New_York', '2026-03-07 07:30Z', 2);
SELECT * FROM pg_temp.occurrences_in('every 1 day', 'America/New_York', '2026-10-31 05:30Z', 2);
SELECT * FROM pg_temp.occurrences_in('every 1 month', 'UTC', '2026-01-31 12:00Z', 5);
SELECT * FROM pg_temp.occurrences_in('every 1 year', 'UTC', '2024-02-29 12:00Z', 4);
SELECT * FROM pg_temp.occurrences_in('every 1 month 1 day 01:00', 'UTC', '2026-01-31 12:00Z', 3);
SELECT * FROM pg_temp.occurrences_in('every 1 day', 'Pacific/Apia', '2011-12-28 20:00Z', 4);
SELECT * FROM pg_temp.occurrences_in('every 1 day', 'Pacific/Apia', '2011-12-28 10:00Z', 3);

-- offsets without letters would count to the west
SELECT jadugar.next_time('0 12 * * *', '2026-07-01 00:00Z', 'Etc/GMT-2') AT TIME ZONE 'UTC' AS east,
       jadugar.next_time('0 12 * * *', '2026-07-01 00:00Z', '<+02>-02') AT TIME ZONE 'UTC' AS posix;
\i test/include/helpers.sql
SELECT test.error_of($$SELECT jadugar.next_time('0 12 * * *', '2026-07-01 00:00Z', '+02:00')$$);
SELECT test.error_of($$SELECT jadugar.next_time('0 12 * * *', '2026-07-01 00:00Z', '-3')$$);
-- a long text
SELECT (repeat('0,', 5000) || '0 3 * * *' || repeat(' ', 1000))::jadugar.timing;
SELECT (repeat('0,', 9000) || '0 3 * * *')::jadugar.timing;
