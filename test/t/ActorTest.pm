# ActorTest: an actor of the TAP tests in test/t/actor, which counts its messages.
#
#   use ActorTest;
#   make_counter($node, q{on_failure => 'stop'});
package ActorTest;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw(make_counter $counter_options);

# Its initial state; attempts follow one another at once.
our $counter_options = q{initial => '{"n": 0, "sum": 0, "last": 0, "ordered": true}', retry => jadugar.retry_policy(1000, delay => '1 ms')};

# make_counter(NODE [, OPTIONS]): make the role "ann", the schema "app" of hers, and the
# actor "count" with options of register_actor().  A message {"n": N} leaves a row in
# app.effect, and the state has the number and the sum of all, the last one, and whether
# each was greater than the one before.  Another "do" of the message is done instead,
# but "try", which fails at times before.
sub make_counter
{
	my ($node, $options) = @_;

	$options = $options ? ", $options" : '';
	return $node->safe_psql('postgres', qq{
		CREATE ROLE ann LOGIN;
		SELECT jadugar.grant_access('ann');
		CREATE SCHEMA app AUTHORIZATION ann;
		SET ROLE ann;
		CREATE TABLE app.effect (key text, n integer);
		CREATE TABLE app.seen (n serial, key text, what text, transaction xid8 DEFAULT pg_current_xact_id());
		CREATE FUNCTION app.count(INOUT state jsonb, message jsonb, OUT reply jsonb) LANGUAGE plpgsql AS \$\$
		DECLARE
			key text := (jadugar.current_task()).payload ->> 'key';
		BEGIN
			CASE message ->> 'do'
			WHEN 'see' THEN
				INSERT INTO app.seen (key, what) VALUES (key, jadugar.actor_state('count', key) ->> 'n');
				RETURN;
			WHEN 'see and undo' THEN
				BEGIN
					PERFORM jadugar.actor_state('count', key), 1 / 0;
				EXCEPTION WHEN division_by_zero THEN
					INSERT INTO app.seen (key, what) VALUES (key, 'undone');
				END;
				RETURN;
			WHEN 'forget' THEN
				state := NULL;
				RETURN;
			WHEN 'fail once' THEN
				IF (jadugar.current_task()).attempt = 1 THEN
					RAISE EXCEPTION 'meant to fail';
				END IF;
				RETURN;
			WHEN 'fail' THEN
				RAISE EXCEPTION 'meant to fail' USING ERRCODE = '22000';
			WHEN 'wait' THEN
				PERFORM pg_advisory_xact_lock(7);
			WHEN 'try' THEN
				IF random() < 0.05 THEN
					RAISE EXCEPTION 'try again';
				END IF;
			ELSE
				NULL;
			END CASE;
			INSERT INTO app.effect VALUES (key, (message ->> 'n')::integer);
			state := jsonb_build_object('n', (state ->> 'n')::integer + 1, 'sum', (state ->> 'sum')::integer + (message ->> 'n')::integer,
				'ordered', (state ->> 'ordered')::boolean AND (state ->> 'last')::integer < (message ->> 'n')::integer, 'last', message -> 'n');
		END \$\$;
		SELECT jadugar.register_actor('count', 'app.count', $counter_options$options)});
}

1;
