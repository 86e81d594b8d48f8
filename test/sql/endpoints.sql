-- Endpoints: servers of the wrapper jadugar_http, their options and secrets,
-- and the view of them.
\i test/include/helpers.sql
CALL test.create_role('ep_owner');
CALL test.create_role('ep_user');
CALL test.create_role('ep_monitor', 'monitor');
CREATE ROLE ep_stranger LOGIN;
CREATE SCHEMA ep;
GRANT USAGE ON SCHEMA ep TO PUBLIC;

-- --------------------------------------------------------- options of servers

-- Creates a server with these options, and returns the error.
CREATE FUNCTION ep.server(options text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	error text := test.error_of(format('CREATE SERVER ep_try FOREIGN DATA WRAPPER jadugar_http OPTIONS (%s)', options));
BEGIN
	DROP SERVER IF EXISTS ep_try;
	RETURN replace(error, 'no error', 'accepted');
END $$;
-- Returns the error for one option beside base_url, without its name.
CREATE FUNCTION ep.option(name text, value text) RETURNS text LANGUAGE sql AS $$
	SELECT replace(ep.server(format('base_url ''https://a.example'', %I %L', name, value)), format('value for option "%s"', name), '…') $$;

SELECT ep.server('timeout ''1 s''');
SELECT ep.server('base_url ''https://a.example'', any_host ''true''');
SELECT ep.server('any_host ''off''');
SELECT ep.server('base_url ''https://a.example'', any_host ''off''');
SELECT ep.server('base_url ''https://a.example'', bearer_token ''S3CR3T''');
SELECT ep.server('base_url ''https://a.example'', api_key_file ''/nowhere''');
\x on
SELECT ep.server('base_url ''https://a.example'', nothing ''1''');
\x off
SELECT ep.server('any_host ''on'', allow_hosts ''a.example, *.b.example, 192.0.2.1, 2001:db8::1'', allow_ports ''443, 8000-8999''');
SELECT ep.server('base_url ''https://a.example'', allow_ports ''443''');
SELECT ep.server('base_url ''https://a.example'', per ''1 s''');
SELECT ep.server('base_url ''https://a.example'', rate ''1'', per ''1 s'', burst ''5''');
SELECT ep.server('base_url ''https://a.example'', rate ''2000000'', per ''1 s''');
SELECT ep.server('base_url ''https://a.example'', health_path ''/up''');
SELECT ep.server('any_host ''on'', health_path ''/up''');

SELECT test.error_of($$CREATE SERVER ep_try TYPE 'smtp' FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'https://a.example')$$);
CREATE SERVER ep_try TYPE 'http' FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'https://a.example');
DROP SERVER ep_try;

-- every option, with values that are accepted
SELECT name, value, ep.option(name, value) AS result FROM (VALUES
	('timeout', '3s'), ('timeout', '3000'), ('timeout', '1.5 min'), ('connect_timeout', '250ms'), ('low_speed', '100 B/s, 30 s'), ('low_speed', '1kB/s,1min'), ('low_speed', 'off'),
	('max_request', '10 MB'), ('max_response', '1023 MB'), ('max_concurrency', '1'), ('rate', '5'),
	('headers', '{}'), ('headers', '{"X-Team": "a b", "Accept": "text/plain"}'), ('keep_headers', 'ETag, X-Request-Id'), ('keep_headers', ''), ('redirects', '3'), ('redirects', 'off'),
	('http_version', '1.1'), ('http_version', 'AUTO'), ('breaker', 'off'), ('breaker_window', '10 s'), ('breaker_min_calls', '5'), ('breaker_failure_pct', '100'),
	('breaker_consecutive', '0'), ('breaker_slow_after', '2 s'), ('breaker_slow_after', 'off'), ('breaker_slow_pct', '80'), ('breaker_open_for', '1 min'), ('breaker_open_max', '1 h'),
	('breaker_half_open', '10'), ('breaker_ramp', '0'), ('retry', '{"max_attempts": 3, "delay": 1}'), ('retry_after_max', '1 d'), ('unsafe', 'fail'), ('expect', '2xx, 404, 3XX'),
	('api_key_header', 'Api-Key'), ('idempotency_header', 'X-Idempotency'), ('idempotency_format', 'uuid'),
	('allow_addresses', '10.0.0.0/8,fd00::/8 , 127.0.0.1'), ('deny_addresses', ''), ('health_path', '/health/live'),
	('ca_file', '/etc/ca.pem'), ('tls_min', '1.3'), ('verify', 'none'), ('proxy', 'http://proxy.example:3128'), ('proxy', 'http://proxy.example:3128/')) v (name, value) WHERE ep.option(name, value) <> 'accepted';
-- values that are refused
SELECT name, value, ep.option(name, value) AS result FROM (VALUES
	('timeout', '0'), ('timeout', '-1'), ('timeout', '2 d'), ('timeout', '1 week'), ('timeout', ''), ('timeout', 'off'), ('connect_timeout', '2 h'),
	('low_speed', '100 B/s'), ('low_speed', '100 B, 30 s'), ('low_speed', '0 B/s, 30 s'), ('low_speed', '1 B/s, 10 ms'), ('low_speed', '1 B/s x, 10 s'),
	('max_request', '0'), ('max_response', '1 GB'), ('max_response', '2 GB'), ('max_concurrency', '0'), ('max_concurrency', 'many'), ('rate', '10/s'), ('redirects', '21'), ('http_version', '3'),
	('headers', 'X: y'), ('headers', '[]'), ('headers', '{"X-N": 1}'), ('headers', '{"X Y": "1"}'), ('headers', E'{"X-N": "a\\nHost: b"}'), ('headers', '{"Host": "b"}'), ('headers', '{"transfer-encoding": "b"}'),
	('headers', '{"authorization": "b"}'), ('headers', '{"Cookie": "b"}'), ('headers', '{"X-Api-Key": "b"}'), ('headers', '{"X-Auth-Token": "b"}'), ('headers', '{"My-Secret": "b"}'), ('headers', '{"Proxy-Anything": "b"}'),
	('keep_headers', 'a b'), ('keep_headers', 'a,,b'), ('keep_headers', 'a,'), ('breaker', 'maybe'), ('breaker_failure_pct', '101'), ('breaker_half_open', '11'), ('breaker_open_for', '99 ms'),
	('retry', '3'), ('retry', '{"tries": 3}'), ('retry', '{'), ('retry', '{"fallback": "SELECT 1"}'), ('unsafe', 'never'), ('expect', '2x'), ('expect', '600'), ('expect', '2xx 404'),
	('api_key_header', 'Authorization'), ('api_key_header', 'a:b'), ('idempotency_header', ''), ('idempotency_format', 'ulid'),
	('allow_addresses', '10.0.0.1/8'), ('allow_addresses', '10.0.0.0/33'), ('allow_addresses', '10.0.0/8'), ('allow_addresses', '10.0.0.0/8 fd00::/8'), ('allow_addresses', '10.0.0.0/8, localhost'),
	('allow_addresses', '010.0.0.0/8'), ('allow_addresses', '::ffff:010.0.0.0/104'), ('allow_addresses', 'fd00::/8,'), ('allow_addresses', '::1%lo'), ('allow_addresses', '1.2.3.4/:'), ('deny_addresses', '1.2.3.4/'), ('deny_addresses', '1.2.3.4/08'),
	('health_path', 'up'), ('health_path', '/a/../b'), ('health_path', '/a?b'), ('ca_file', 'ca.pem'), ('tls_min', '1.1'), ('verify', 'peer'),
	('proxy', 'socks5://proxy.example'), ('proxy', 'http://a:b@proxy.example'), ('proxy', 'http://proxy.example/x')) v (name, value);
SELECT ep.server('any_host ''on'', allow_hosts ' || quote_literal(h)) FROM unnest('{a b.example,*.1.2.3.4,127.1,*,a_b.example:80,[::1],0:0::1}'::text[]) h;
SELECT ep.server('any_host ''on'', allow_ports ' || quote_literal(p)) FROM unnest('{0,65536,9-8,a,-1,1-,80 81}'::text[]) p;

-- ----------------------------------------------------------- user mappings

CREATE SERVER ep_one FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'https://one.example/v1', max_concurrency '4');
CREATE FUNCTION ep.mapping(options text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	error text := test.error_of(format('CREATE USER MAPPING FOR CURRENT_USER SERVER ep_one OPTIONS (%s)', options));
BEGIN
	DROP USER MAPPING IF EXISTS FOR CURRENT_USER SERVER ep_one;
	RETURN replace(regexp_replace(error, '(Valid options) .*', '\1 …'), 'no error', 'accepted');
END $$;
\x on
SELECT test.error_of($$CREATE USER MAPPING FOR CURRENT_USER SERVER ep_one OPTIONS (nothing '1')$$);
\x off
SELECT ep.mapping($$timeout '1 s'$$);
SELECT o AS options, ep.mapping(o) AS result FROM unnest(ARRAY[
	$$"user" 'a', password 'b'$$, $$bearer_token 'S3CR3T'$$, $$api_key 'S3CR3T', bearer_token 'S3CR3T', signing_secret 'S3CR3T', signing_secret_old 'S3CR3T'$$,
	$$access_key_id 'S3CR3T', secret_access_key 'S3CR3T', session_token 'S3CR3T'$$, $$secret_path '/services/S3CR3T'$$,
	$$sslcert '-----BEGIN CERTIFICATE-----', sslkey_file '/nowhere/key'$$, $$bearer_token_file '/nowhere/S3CR3T'$$,
	-- refused
	$$"user" 'a'$$, $$password 'S3CR3T'$$, $$"user" 'a:b', password 'S3CR3T'$$, $$"user" 'a', password 'S3CR3T', bearer_token 'S3CR3T'$$, $$bearer_token ''$$, $$bearer_token E'S3CR3T\nHost: x'$$,
	$$api_key E'S3CR3T\x7f'$$, $$bearer_token 'S3CR3T', bearer_token_file '/nowhere/S3CR3T'$$, $$bearer_token_file 'S3CR3T'$$, $$user_file '/nowhere/S3CR3T', password 'S3CR3T'$$,
	$$access_key_id 'S3CR3T'$$, $$session_token 'S3CR3T'$$, $$secret_path 'services/S3CR3T'$$, $$secret_path '/S3CR3T/../x'$$, $$sslcert '/nowhere/S3CR3T', sslkey 'S3CR3T'$$, $$sslkey '-----BEGIN S3CR3T'$$,
	$$signing_secret_old 'S3CR3T'$$, $$token 'S3CR3T'$$, $$base_url 'S3CR3T'$$, $$_file 'S3CR3T'$$]) o;
-- no message has a secret
SELECT o AS given_away FROM unnest(ARRAY[$$bearer_token E'S3CR3T\r'$$, $$sslcert 'S3CR3T', sslkey 'S3CR3T'$$, $$secret_path 'S3CR3T'$$, $$"user" 'a:S3CR3T', password 'x'$$, $$bearer_token_file 'S3CR3T'$$]) o WHERE ep.mapping(o) ~ 'S3CR3T';
-- a file is not read, but looked at
CREATE USER MAPPING FOR CURRENT_USER SERVER ep_one OPTIONS (bearer_token_file '/nowhere/S3CR3T', api_key 'x');
ALTER USER MAPPING FOR CURRENT_USER SERVER ep_one OPTIONS (SET bearer_token_file '/');
ALTER USER MAPPING FOR CURRENT_USER SERVER ep_one OPTIONS (DROP bearer_token_file);
DROP USER MAPPING FOR CURRENT_USER SERVER ep_one;
-- other objects have no options
SELECT test.error_of($$ALTER FOREIGN DATA WRAPPER jadugar_http OPTIONS (ADD timeout '1 s')$$);
SELECT test.error_of($$CREATE FOREIGN TABLE ep.t (a integer) SERVER ep_one OPTIONS (timeout '1 s')$$);
SELECT fdwhandler = 0 AS no_handler, fdwacl FROM pg_foreign_data_wrapper WHERE fdwname = 'jadugar_http';

-- --------------------------------------------------------------------- rights

SET ROLE ep_owner;
SELECT test.error_of($$CREATE SERVER ep_two FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'https://two.example')$$);
RESET ROLE;
GRANT USAGE ON FOREIGN DATA WRAPPER jadugar_http TO ep_owner;
SET ROLE ep_owner;
-- only superusers
SELECT o AS option, test.error_of(format($$CREATE SERVER ep_two FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'https://two.example', %s)$$, o)) AS error
FROM unnest('{ca_file ''/etc/ca.pem'',verify ''none'',proxy ''http://proxy.example''}'::text[]) o;
CREATE SERVER ep_two FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'https://two.example', verify 'full', allow_addresses '10.0.0.0/8');
GRANT USAGE ON FOREIGN SERVER ep_two TO ep_user;
CREATE USER MAPPING FOR PUBLIC SERVER ep_two OPTIONS (bearer_token 'S3CR3T');
SELECT test.error_of($$ALTER USER MAPPING FOR PUBLIC SERVER ep_two OPTIONS (ADD api_key_file '/nowhere/key')$$);
SET ROLE ep_user;
SELECT test.error_of($$ALTER SERVER ep_two OPTIONS (SET base_url 'https://three.example')$$);
SELECT test.error_of($$CREATE USER MAPPING FOR PUBLIC SERVER ep_one OPTIONS (api_key 'x')$$);
SELECT test.error_of($$CREATE USER MAPPING FOR ep_user SERVER ep_one OPTIONS (api_key 'x')$$);
SELECT usename, umoptions FROM pg_user_mappings WHERE srvname = 'ep_two';
RESET ROLE;
-- an option of superusers stops the owner, who can drop it
ALTER SERVER ep_two OPTIONS (ADD proxy 'http://proxy.example');
SET ROLE ep_owner;
SELECT test.error_of($$ALTER SERVER ep_two OPTIONS (ADD timeout '5 s')$$);
ALTER SERVER ep_two OPTIONS (DROP proxy, ADD timeout '5 s');
RESET ROLE;

-- ----------------------------------------------------------------------- view

CREATE SERVER ep_any FOREIGN DATA WRAPPER jadugar_http OPTIONS (any_host 'on', max_concurrency '0x10');
SELECT * FROM jadugar.endpoints ORDER BY endpoint;
SET ROLE ep_user;
SELECT * FROM jadugar.endpoints ORDER BY endpoint;
-- its own mapping takes the place of that of PUBLIC
CREATE USER MAPPING FOR ep_user SERVER ep_two OPTIONS ("user" 'u', password 'S3CR3T', signing_secret 'S3CR3T', api_key 'S3CR3T', access_key_id 'S3CR3T', secret_access_key 'S3CR3T', secret_path '/S3CR3T',
	sslcert '-----BEGIN S3CR3T', sslkey '-----BEGIN S3CR3T');
SELECT endpoint, auth FROM jadugar.endpoints;
DROP USER MAPPING FOR ep_user SERVER ep_two;
CREATE USER MAPPING FOR ep_user SERVER ep_two;
SELECT endpoint, auth FROM jadugar.endpoints;
DROP USER MAPPING FOR ep_user SERVER ep_two;
SET ROLE ep_monitor;
SELECT * FROM jadugar.endpoints ORDER BY endpoint;
SET ROLE ep_stranger;
SELECT test.error_of('SELECT * FROM jadugar.endpoints');
RESET ROLE;
GRANT USAGE ON SCHEMA jadugar TO ep_stranger;
GRANT USAGE ON FOREIGN SERVER ep_two TO ep_stranger;
SET ROLE ep_stranger;
SELECT * FROM jadugar.endpoints;
RESET ROLE;
-- of other names, owners and wrappers
ALTER SERVER ep_two RENAME TO ep_three;
ALTER SERVER ep_three OWNER TO postgres;
REVOKE USAGE ON FOREIGN SERVER ep_three FROM ep_owner;
SET ROLE ep_owner;
SELECT * FROM jadugar.endpoints;
RESET ROLE;
CREATE FOREIGN DATA WRAPPER ep_other;
CREATE SERVER ep_four FOREIGN DATA WRAPPER ep_other;
SELECT endpoint, owner FROM jadugar.endpoints ORDER BY endpoint;

DROP FOREIGN DATA WRAPPER ep_other CASCADE;
DROP SERVER ep_one, ep_three, ep_any CASCADE;
SELECT count(*) FROM jadugar.endpoints;
DROP SCHEMA ep CASCADE;
REVOKE USAGE ON SCHEMA jadugar FROM ep_stranger;
REVOKE USAGE ON FOREIGN DATA WRAPPER jadugar_http FROM ep_owner;
DROP ROLE ep_stranger;
CALL test.drop_roles('ep_owner', 'ep_user', 'ep_monitor');
