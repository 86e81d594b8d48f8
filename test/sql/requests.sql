-- What HTTP tasks send and keep: payloads, URLs, headers, bodies, responses.
-- Nothing is sent here.
\i test/include/helpers.sql
CALL test.create_role('req_user');
CREATE SERVER req_pay FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'https://pay.example/v2/', timeout '3 s', max_request '2 kB',
	headers '{"X-From": "endpoint"}', keep_headers 'X-Kept', retry_after_max '1 min');
CREATE SERVER req_any FOREIGN DATA WRAPPER jadugar_http OPTIONS (any_host 'true', allow_hosts '*.example', allow_ports '443, 8000-8100', unsafe 'fail', idempotency_format 'uuid');
CREATE SERVER req_hook FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'https://hooks.example', expect '2xx, 404');
CREATE USER MAPPING FOR PUBLIC SERVER req_pay OPTIONS (bearer_token 'S3CR3T', api_key 'S3CR3T');
CREATE USER MAPPING FOR PUBLIC SERVER req_hook OPTIONS (secret_path '/services/S3CR3T');
-- A payload for the first endpoint, and what it sends.
CREATE FUNCTION pg_temp.request(payload jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT jadugar_internal._request('{"endpoint": "req_pay"}' || payload) $$;
CREATE FUNCTION pg_temp.body(payload jsonb) RETURNS text LANGUAGE sql AS $$ SELECT convert_from(decode(pg_temp.request(payload) ->> 'body', 'base64'), 'UTF8') $$;
CREATE FUNCTION pg_temp.refused(payload text) RETURNS text LANGUAGE sql AS $$ SELECT test.error_of(format('SELECT pg_temp.request(%L)', payload)) $$;
-- Headers with ids that differ from run to run replaced.
CREATE FUNCTION pg_temp.headers(request jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(request ->> 'headers', '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'UUID', 'g'), '(?<=[ -])[0-9a-f]{16,32}', 'HEX', 'g') $$;

-- ------------------------------------------------------------------------ URLs

SELECT p, pg_temp.request(p::jsonb) ->> 'url' AS url FROM unnest(ARRAY['{}', '{"path": "/charges"}', '{"path": "/o/{order}/x/{order}", "params": {"order": "a/b c?é"}}', '{"path": "/n/{n}{b}", "params": {"n": 1.50, "b": true}}',
	'{"query": {"b": ["2", 1], "a": "x&y=ü", "aa": null, "c": false, "": ""}}', '{"path": "/a%20b;v=1", "query": {}}', '{"path": null, "query": null}']) p;
SELECT p, pg_temp.refused(p) FROM unnest(ARRAY['{"path": "charges"}', '{"path": "https://pay.example/x"}', '{"path": ""}', '{"path": "//evil.example/"}', '{"path": "/../x"}', '{"path": "/a/%2e%2e/x"}', '{"path": "/a/..%2fx"}', '{"path": "/a\\b"}',
	'{"path": "/a?b"}', '{"path": "/a#b"}', '{"path": "/a\nX: y"}', '{"path": "/ü"}', '{"path": "/a b"}', '{"path": "/{x}"}', '{"path": "/{x"}', '{"path": "/{x}", "params": {"x": ".."}}',
	'{"path": "/{x}", "params": {"x": ""}}', '{"path": "/{x}", "params": {"x": "a/../../b"}}', '{"path": "/{x}", "params": {"x": "a\nb"}}', '{"path": "/{x}", "params": {"x": {}}}', '{"path": "/{x}", "params": {"x": ["a", "b"]}}',
	'{"path": "/x", "params": {"y": 1}}', '{"params": {"y": 1}}', '{"params": []}', '{"path": 7}', '{"query": "a=b"}', '{"query": {"a": {"b": 1}}}', '{"query": {"a": [[1]]}}', '{"url": "https://a.example/"}']) p;
SELECT pg_temp.refused(jsonb_build_object('query', jsonb_build_object('a', repeat('x', 9000)))::text);
-- whole URLs
CREATE FUNCTION pg_temp.any_url(payload jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT jadugar_internal._request('{"endpoint": "req_any"}' || payload) $$;
SELECT p, pg_temp.any_url(p::jsonb) ->> 'url' AS url, pg_temp.any_url(p::jsonb) ->> 'shown' AS shown
FROM unnest(ARRAY['{"url": "https://a.example"}', '{"url": "HTTPS://A.Example:8000/x?y=1", "query": {"z": 2}}', '{"url": "https://a.example/x", "query": {"z": 2}}']) p;
SELECT p, test.error_of(format('SELECT pg_temp.any_url(%L)', p)) FROM unnest(ARRAY['{}', '{"path": "/"}', '{"path": "https://a.example/"}', '{"url": "ftp://a.example/"}', '{"url": "https://user:S3CR3T@a.example/"}', '{"url": "https://a.other/"}', '{"url": "https://a.example:444/"}',
	'{"url": "https://127.1/"}', '{"url": "https://a.example/../x"}', '{"url": "https://a.example\\@b.example/"}', '{"url": "https://ａ.example/"}', '{"url": "https://a.example/", "path": "/"}', '{"url": "https://a.example/", "params": {"a": 1}}']) p;

-- -------------------------------------------------------------------- headers

SELECT pg_temp.headers(pg_temp.request('{"body": {"a": 1}, "headers": {"X-One": "1", "X-Two": ["a", "b"], "X-Empty": "", "If-None-Match": "\"e\""}}'));
SELECT pg_temp.headers(pg_temp.request('{"headers": {"x-from": "payload", "USER-AGENT": "mine", "Traceparent": "none", "idempotency-key": "k", "X-Correlation-ID": "c"}}'));
SELECT pg_temp.headers(jadugar_internal._request('{"endpoint": "req_any", "url": "https://a.example/", "method": "DELETE"}'));
SELECT pg_temp.headers(pg_temp.request('{"idempotency_key": "order/7"}')) ~ 'Idempotency-Key: order/7' AS own_key;
-- a trace goes on, with a span of the attempt; any other text is a correlation id
SELECT substring(jadugar_internal._request('{"endpoint": "req_pay"}', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01') ->> 'headers' FROM 'traceparent: (00-0af7651916cd43dd8448eb211c80319c-)[0-9a-f]{16}-01\n') AS trace,
	substring(jadugar_internal._request('{"endpoint": "req_pay"}', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 a=b') ->> 'headers' FROM 'X-Correlation-ID: (\w+)') AS id;
SELECT t, substring(jadugar_internal._request('{"endpoint": "req_pay"}', t) ->> 'headers' FROM 'X-Correlation-ID: ([^\n]*)') = t AS sent, jadugar_internal._request('{"endpoint": "req_pay"}', t) ->> 'headers' ~ 'traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00\n' AS trace
FROM unnest(ARRAY['order 7', 'größe', E'a\nX: y', '00-00000000000000000000000000000000-b7ad6b7169203331-01']) t;
-- the key of a step names its run and row; all attempts send the same
SELECT substring(pg_temp.headers(jadugar_internal._request('{"endpoint": "req_pay"}', NULL, 9)) FROM 'Idempotency-Key: [^\n]*') AS step;
SELECT jadugar_internal._request('{"endpoint": "req_any", "url": "https://a.example/"}') ->> 'headers' ~ 'Idempotency-Key: [0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n' AS uuid,
	jadugar_internal._request('{"endpoint": "req_any", "url": "https://a.example/"}') = jadugar_internal._request('{"endpoint": "req_any", "url": "https://a.example/"}') AS same;
SELECT h, pg_temp.refused(jsonb_build_object('headers', h::jsonb)::text) FROM unnest(ARRAY['{"Host": "x"}', '{"content-length": "1"}', '{"Transfer-Encoding": "chunked"}', '{"Connection": "close"}', '{"Upgrade": "h2c"}', '{"TE": "trailers"}', '{"Trailer": "x"}', '{"Expect": "x"}', '{"Proxy-Authorization": "x"}',
	'{"authorization": "x"}', '{"Cookie": "a=b"}', '{"x-api-key": "x"}', '{"": "x"}', '{"a b": "x"}', '{"a:": "x"}', '{"ü": "x"}', '{"X": "a\r\nY: b"}', '{"X": "a\u0001"}', '{"X": {}}', '{"X-A": "1", "x-a": "2"}', '[]']) h;
SELECT pg_temp.refused(jsonb_build_object('headers', (SELECT jsonb_object_agg('X-' || n, 1) FROM generate_series(1, 201) n))::text);
SELECT pg_temp.refused(jsonb_build_object('headers', jsonb_build_object('X', repeat('x', 70000)))::text);

-- --------------------------------------------------------------------- bodies

SELECT p, pg_temp.request(p::jsonb) ->> 'method' AS method, pg_temp.body(p::jsonb) AS body, substring(pg_temp.request(p::jsonb) ->> 'headers' FROM 'Content-Type: ([^\n]*)') AS type
FROM unnest(ARRAY['{}', '{"body": {"a": [1, "ü"]}}', '{"body": "text"}', '{"body": false}', '{"body": null}', '{"body_text": ""}', '{"body_text": "ü", "content_type": "text/csv"}', '{"body_base64": "aGk="}', '{"body_base64": " aG k \n="}',
	'{"form": {"b": "1 2", "a": ["x&", "y*~"]}, "method": "PUT"}', '{"method": "delete"}', '{"method": "HEAD"}', '{"body": 1, "method": "PATCH", "content_type": "application/merge-patch+json"}']) p;
SELECT jadugar.put_blob('\x6f6e65', 'image/x') AS blob, jadugar.put_blob(convert_to(repeat('x', 2049), 'UTF8')) AS large \gset
SELECT pg_temp.body(jsonb_build_object('body_blob', :blob)) AS body, substring(pg_temp.request(jsonb_build_object('body_blob', :blob)) ->> 'headers' FROM 'Content-Type: ([^\n]*)') AS type;
SELECT replace(regexp_replace(pg_temp.body(format('{"multipart": [{"name": "a", "text": "1"}, {"name": "q\"ü", "base64": "aGk=", "filename": "f.bin"}, {"name": "b", "blob": %s, "filename": "i"}, {"name": "c", "text": "<a/>", "filename": "a.xml", "type": "text/xml"}, {"name": "e", "text": ""}]}', :blob)::jsonb),
	'jadugar-[0-9a-f]{16}', 'BOUNDARY', 'g'), E'\r', '') AS multipart;
SELECT p, pg_temp.refused(p) FROM unnest(ARRAY['{"body": 1, "body_text": "x"}', '{"form": {}, "multipart": [{"name": "a", "text": ""}]}', '{"body": 1, "method": "GET"}', '{"body_text": 7}', '{"body_base64": "aGk"}', '{"body_base64": "a$=="}', '{"body_base64": "aGk=aGk="}', '{"body_base64": "="}',
	'{"body_blob": "1"}', '{"body_blob": 0}', '{"body_blob": 1.5}', '{"body_blob": 1e30}', '{"body_blob": 999999999999}', '{"form": []}', '{"form": {"a": {}}}', '{"multipart": []}', '{"multipart": {}}', '{"multipart": [1]}', '{"multipart": [[]]}', '{"multipart": [{}]}', '{"multipart": [{"name": "a"}]}',
	'{"multipart": [{"name": "a", "text": "x", "blob": 1}]}', '{"multipart": [{"name": "a\r\nX: y", "text": ""}]}', '{"multipart": [{"name": "a", "text": "", "type": "x"}]}', '{"multipart": [{"name": "a", "text": "", "size": 1}]}', '{"content_type": "a/b"}', '{"body": 1, "content_type": "a/b\r\nX: y"}']) p;
SELECT pg_temp.refused(jsonb_build_object('body_text', repeat('x', 2049))::text), pg_temp.refused(jsonb_build_object('body', repeat('x', 2047))::text), pg_temp.refused(jsonb_build_object('body_blob', :large)::text);
SELECT pg_temp.request(jsonb_build_object('body', repeat('x', 2046))) ->> 'method' AS fits;

-- the size of JSON is that of its text, to the byte, which can be far more than that of the value
SELECT v, pg_temp.request(jsonb_build_object('body', jsonb_build_array(v, repeat('x', 2042 - octet_length(v::text))))) ->> 'method' AS fits,
	substring(pg_temp.refused(jsonb_build_object('body', jsonb_build_array(v, repeat('x', 2043 - octet_length(v::text))))::text) FROM 'at least \d+ bytes') AS refused
FROM unnest(ARRAY['null', 'true', 'false', '"ü"', '1e500', '-1.50', '"\"\\\b\f\n\r\t\u0001\u000b\u001f/\u007f"', '[]', '{}', '[[], [1], [1, 2]]', '{"\n": {}, "a": {"b": null}, "c": [{}]}']::jsonb[]) v;
SELECT test.error_of($$SELECT jadugar.enqueue('http', '{"endpoint": "req_pay", "body": 1e131071}')$$);
SELECT test.error_of($$SELECT pg_temp.request(jsonb_build_object('body', (SELECT jsonb_agg('1e131071'::jsonb) FROM generate_series(1, 4000))))$$);
SELECT p, pg_temp.refused(p) FROM unnest(ARRAY['{"form": {"a": 1e1000}}', '{"query": {"a": [1, 1e1000]}}', '{"headers": {"a": 1e1000}}', '{"path": "/{a}", "params": {"a": 1e1000}}', '{"multipart": [{"name": "a", "text": 1e1000}]}', '{"body_blob": 1e1000}', '{"timeout": 1e1000}']) p;

-- ---------------------------------------------------------------- other keys

SELECT p, pg_temp.refused(p) FROM unnest(ARRAY['{"endpoint": null}', '{"endpoint": "req_none"}', '{"endpoint": 7}', '{"methods": "GET"}', '{"Method": "GET"}', '{"method": "TRACE"}', '{"method": ""}', '{"expect": "2xx"}', '{"expect": []}', '{"expect": ["2x"]}', '{"expect": ["600"]}', '{"expect": [204, "3xx"]}',
	'{"response": "xml"}', '{"when_open": "never"}', '{"timeout": "soon"}', '{"timeout": 0}', '{"timeout": -1}', '{"timeout": true}', '{"timeout": {}}', '{"idempotency_key": ""}', '{"idempotency_key": "a b"}', '{"idempotency_key": "ü"}']) p;
SELECT pg_temp.refused('[]'), pg_temp.refused('7');
SELECT p, pg_temp.request(p::jsonb) - '{url,headers,body,shown}'::text[] FROM unnest(ARRAY['{"timeout": "1.5 s", "when_open": "fail"}', '{"timeout": 60}', '{"timeout": 0.25, "response": "blob"}', '{"response": "none"}']) p;
SELECT jadugar_internal._request('{"endpoint": "req_any", "url": "https://a.example/", "method": "POST"}') ->> 'unsafe' AS post, jadugar_internal._request('{"endpoint": "req_any", "url": "https://a.example/", "method": "PUT"}') ->> 'unsafe' AS put;
-- a secret path is in the URL, and not in what errors show
SELECT r ->> 'url' AS url, r ->> 'shown' AS shown FROM unnest(ARRAY[jadugar_internal._request('{"endpoint": "req_hook"}'), jadugar_internal._request('{"endpoint": "req_hook", "path": "/x"}')]) r;

-- ---------------------------------------------------------------------- roles

CREATE FUNCTION pg_temp.as_user(payload text) RETURNS text LANGUAGE sql AS $$ SELECT test.error_of(format('SELECT jadugar_internal._request(%L)', payload)) $$;
GRANT USAGE ON SCHEMA jadugar_internal TO req_user;
GRANT EXECUTE ON FUNCTION jadugar_internal._request TO req_user;
SET ROLE req_user;
SELECT pg_temp.as_user('{"endpoint": "req_pay"}');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER req_pay TO req_user;
SET ROLE req_user;
SELECT pg_temp.as_user('{"endpoint": "req_pay"}'), pg_temp.as_user(format('{"endpoint": "req_pay", "body_blob": %s}', :blob)) ~ 'JD004 permission denied for blob' AS blob_refused;
RESET ROLE;
REVOKE USAGE ON SCHEMA jadugar_internal FROM req_user;
REVOKE EXECUTE ON FUNCTION jadugar_internal._request FROM req_user;

-- ------------------------------------------------------------------- responses

CREATE FUNCTION pg_temp.response(status integer, headers text, body bytea, payload jsonb DEFAULT '{}', cut boolean DEFAULT false) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jadugar_internal._response('{"endpoint": "req_pay"}' || payload, status, replace(headers, '|', E'\r\n'), body, cut) $$;
-- classes
SELECT s, r ->> 'class' AS class, r ->> 'health' AS health FROM unnest('{200,204,299,301,304,307,400,401,404,408,409,410,421,425,429,499,500,501,502,503,504,505,507,520,599,600,999}'::integer[]) s, pg_temp.response(s, '', '') r;
SELECT s, pg_temp.response(s, '', '', '{"expect": ["404", "3xx"]}') ->> 'class' AS class, pg_temp.response(s, '', '', '{"headers": {"if-none-match": "x"}}') ->> 'class' AS conditional,
	jadugar_internal._response('{"endpoint": "req_hook"}', s, '', '') ->> 'class' AS endpoint FROM unnest('{200,301,304,404}'::integer[]) s;
-- bodies
SELECT h, b, r - '{headers,ms,status}'::text[] AS result FROM (VALUES ('Content-Type: application/json', '{"a": [1, "ü"]}'), ('content-type:application/problem+json;charset=x', '{}'), ('Content-Type: text/json', '7'), ('Content-Type: text/plain', '{"a": 1}'), ('', 'plain'),
	('Content-Type: application/json', '{"a": '), ('Content-Type: application/json', '1e999999'), ('Content-Type: application/json', '"\u0000"'), ('Content-Type: application/json', ''), ('Content-Type: application/json', repeat('[', 30000))) v (h, b),
	LATERAL (SELECT pg_temp.response(200, h, convert_to(b, 'UTF8')) -> 'result') x (r) WHERE length(b) < 100 OR left(r ->> 'body', 1) <> '[';
SELECT left(r ->> 'body', 3) AS body, r ->> 'encoding' AS encoding FROM (SELECT pg_temp.response(200, 'Content-Type: application/json', convert_to(repeat('[', 30000), 'UTF8')) -> 'result') x (r);
SELECT b, r ->> 'body' AS body, r ->> 'encoding' AS encoding FROM unnest('{"\\x00", "\\xff", "\\xefbbbf41", "\\x41c3", "\\xc3bc", "\\xeda080", "\\x4100"}'::bytea[]) b, LATERAL (SELECT pg_temp.response(200, '', b) -> 'result') x (r);
SELECT c, r ->> 'body' AS body, r ->> 'encoding' AS encoding FROM unnest('{iso-8859-1, "\"ISO-8859-1\"", windows-1252, latin1, koi8-r, utf-16, nonsense, ""}'::text[]) c, LATERAL (SELECT pg_temp.response(200, 'Content-Type: text/html; charset=' || c || '; x=y', '\xfc') -> 'result') x (r);
SELECT p, r ->> 'body' AS body, r ->> 'encoding' AS encoding FROM unnest('{auto,json,text,base64,none}'::text[]) p, LATERAL (SELECT pg_temp.response(200, 'Content-Type: application/json', '[1]', jsonb_build_object('response', p)) -> 'result') x (r);
SELECT pg_temp.response(200, 'Content-Type: text/plain', '[1]', '{"response": "json"}') -> 'result' ->> 'encoding' AS json, pg_temp.response(200, '', '[1]', '{"method": "HEAD"}') -> 'result' ->> 'encoding' AS head;
SELECT h, r ->> 'body' AS body, r ->> 'encoding' AS encoding FROM (VALUES ('text/plain; charset=us-ascii', '\x61'::bytea), ('text/plain; charset=ASCII', '\x61'), ('text/plain; charset=gb2312', '\xb0a1'), ('text/plain; charset=cp1252', '\x80'), ('text/plain; charset = "iso-8859-1" ; a=b', '\xfc'), ('text/plain; charsets=x; charset =koi8-r', '\xc1'), (E'application/json\t;charset=utf-8', '[1]')) v (h, b),
	LATERAL (SELECT pg_temp.response(200, 'Content-Type: ' || h, b) -> 'result') x (r);
-- cut: within a character, and JSON
SELECT (pg_temp.response(200, '', '\x41c3', '{}', true) -> 'result') - '{headers,ms,status}'::text[] AS text, (pg_temp.response(200, 'Content-Type: application/json', '[1]', '{}', true) -> 'result') - '{headers,ms,status}'::text[] AS json;
SELECT p, length(r ->> 'body') AS length, r ->> 'encoding' AS encoding, r ->> 'size' AS size, r ->> 'truncated' AS truncated, pg_column_size(r) <= 65536 AS fits FROM unnest('{auto,text,base64}'::text[]) p, LATERAL (SELECT pg_temp.response(200, 'Content-Type: application/json', convert_to(to_json(repeat('ü', 100000))::text, 'UTF8'), jsonb_build_object('response', p)) -> 'result') x (r);
-- what JSON is as text counts, too: a number can be longer than a row
SELECT left(r ->> 'body', 20) AS body, r ->> 'encoding' AS encoding, r ->> 'truncated' AS truncated FROM (SELECT pg_temp.response(200, 'Content-Type: application/json', convert_to('[1e131071' || repeat(',1e131071', 3000) || ']', 'UTF8')) -> 'result') x (r);
SELECT left(r ->> 'body', 20) AS body, r ->> 'encoding' AS encoding, r ->> 'truncated' AS truncated FROM (SELECT pg_temp.response(200, 'Content-Type: application/json', convert_to('[1e1000, 1e1000]', 'UTF8')) -> 'result') x (r);
-- more values than can be parsed
SELECT left(r ->> 'body', 6) AS body, r ->> 'encoding' AS encoding FROM (SELECT pg_temp.response(200, 'Content-Type: application/json', convert_to('[' || repeat('1,', 17000000) || '1]', 'UTF8')) -> 'result') x (r);
-- a blob belongs to the owner of the task
SELECT r ->> 'body' AS blob, r ->> 'encoding' AS encoding FROM (SELECT pg_temp.response(200, 'Content-Type: image/png', '\x00ff', '{"response": "blob"}') -> 'result') x (r) \gset
SELECT :'encoding' AS encoding, jadugar.get_blob(blob_id), type, owner FROM jadugar.blobs WHERE blob_id = :blob;
-- headers
SELECT jsonb_pretty(pg_temp.response(200, 'HTTP/1.1 200 OK|Content-Type:  text/plain |ETAG: "x"|X-Kept: 1|x-kept: 2|X-Other: no|Set-Cookie: sid=S3CR3T; Path=/|Set-Cookie: b|no header|: none|a b: c|Location: /caf' || chr(233) || E'\t\u0001x|Link:', '') -> 'result' -> 'headers');
SELECT pg_temp.response(200, 'Set-Cookie: S3CR3T', '') #> '{result,headers}' AS no_name;
SELECT sum(length(value)) < 16384 AS bounded FROM jsonb_each_text(pg_temp.response(200, (SELECT string_agg('X-Kept: ' || repeat('x', 1000), '|') FROM generate_series(1, 100)), '') -> 'result' -> 'headers');

-- ----------------------------------------------------------------- Retry-After

SELECT s, h, pg_temp.response(s, h, '') -> 'retry_after' AS retry_after FROM (VALUES (503, 'Retry-After: 7'), (429, 'Retry-After: 7'), (429, 'Retry-After: 0'), (503, 'Retry-After: 0'), (503, 'Retry-After:  3.2 '), (503, 'Retry-After: 3.0'), (503, 'Retry-After: 120'), (503, 'Retry-After: 9223372036854775808'),
	(503, 'Retry-After: 3|retry-after: 5|Retry-After: 4'), (503, 'Retry-After: -1'), (503, 'Retry-After: 12abc'), (503, 'Retry-After: 0x10'), (503, 'Retry-After: 1e3'), (503, 'Retry-After: .5'), (503, 'Retry-After: 5.'), (503, 'Retry-After:'), (503, ''),
	(503, 'Date: Sun, 06 Nov 1994 08:49:37 GMT|Retry-After: Sun, 06 Nov 1994 08:49:47 GMT'), (503, 'Date: Sun, 06 Nov 1994 08:49:37 GMT|Retry-After: Sunday, 06-Nov-94 08:49:48 GMT'), (503, 'Date: Sun, 06 Nov 1994 08:49:37 GMT|Retry-After: Sun Nov  6 08:49:49 1994'),
	(503, 'Date: Sun, 06 Nov 1994 08:49:37 GMT|Retry-After: Sun, 06 Nov 1994 08:49:30 GMT'), (503, 'Retry-After: Sun, 06 Nov 1994 08:49:30 GMT'), (503, 'Retry-After: Sun, 06 Nov 2094 08:49:30 GMT'), (503, 'Retry-After: 2035-10-21T00:00:00Z'), (503, 'Retry-After: Sun, 31 Feb 1994 08:49:30 GMT'),
	(503, 'Retry-After: Sun, 06 Nov 1994 08:49:30 CET')) v (s, h);

-- --------------------------------------------------------------------- errors

SELECT jsonb_pretty((pg_temp.response(503, 'Retry-After: 7|X-Kept: 1', convert_to(repeat('ü', 2000), 'UTF8'), '{"path": "/charges", "query": {"q": "S3CR3T"}, "body": 1}') -> 'error') - 'body'::text) AS error;
SELECT length(pg_temp.response(500, '', convert_to(repeat('ü', 2000), 'UTF8')) -> 'error' ->> 'body') AS length, pg_temp.response(500, '', '\x00') -> 'error' -> 'body' AS binary;
SELECT jadugar_internal._response('{"endpoint": "req_hook", "path": "/x"}', 500, '', '')::text !~ 'S3CR3T' AS secret_hidden;

-- what a service repeats is no way to read a secret
CREATE FUNCTION pg_temp.repeats(status integer, type text, body text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT coalesce(r -> 'result', r -> 'error') FROM jadugar_internal._response('{"endpoint": "req_hook", "path": "/x"}', status, E'Location: /services/S3CR3T/y?u=%2Fservices%2FS3CR3T%2Fz\nContent-Type: ' || type, convert_to(body, 'UTF8')) r $$;
SELECT s, t, pg_temp.repeats(s, t, b) #>> '{headers,location}' AS location, pg_temp.repeats(s, t, b) ->> 'body' AS body FROM unnest('{200,302}'::integer[]) s, (VALUES ('text/plain', 'no /services/S3CR3T or services%2FS3CR3T'), ('application/json', '{"/services/S3CR3T": ["a", "x\/services\/S3CR3T", {"n": 1, "b": []}], "c": "/services"}'), ('application/json', '"services/S3CR3T"')) v (t, b);
SELECT right(pg_temp.repeats(500, 'text/plain', repeat('x', 2040) || '/services/S3CR3T' || repeat('y', 3000)) ->> 'body', 9) AS body;

-- -------------------------------------------------------------------- tasks

-- each payload of a batch is checked
SELECT test.error_of($$SELECT jadugar.enqueue_batch('http', ARRAY['{"endpoint": "req_pay"}', '{"endpoint": "req_pay", "colour": "red"}']::jsonb[])$$);
-- isolate of a queue is for tasks that workers run
SELECT jadugar.create_queue('req_queue', isolate => true), jadugar.pause_queue('req_queue') \g /dev/null
SELECT jadugar.schedule('req_yearly', '@yearly', 'http', '{"endpoint": "req_pay"}', queue => 'req_queue') \g /dev/null
SELECT jadugar.cancel(jadugar.run_now('req_yearly'));
SELECT jadugar.unschedule('req_yearly'), jadugar.drop_queue('req_queue') \g /dev/null

SELECT count(jadugar.drop_blob(blob_id)) > 2 AS dropped FROM jadugar.blobs WHERE owner = 'postgres' AND created_at > now() - interval '1 hour';
-- the response of a task that sends none
SELECT jadugar.enqueue('SELECT 1 AS status') AS task, jadugar.enqueue('SET work_mem TO DEFAULT') AS nothing \gset
SELECT w.status, n.status FROM jadugar.wait(:task) w, jadugar.wait(:nothing) n;
SELECT replace(test.error_of(format('SELECT jadugar.http_response(%s)', :task)), :task::text, 'N'), (jadugar.http_response(:nothing)).status IS NULL AS nothing;

DROP SERVER req_pay CASCADE;
DROP SERVER req_any CASCADE;
DROP SERVER req_hook CASCADE;
CALL test.drop_roles('req_user');
