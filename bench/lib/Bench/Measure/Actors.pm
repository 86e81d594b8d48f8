# Bench::Measure::Actors: messages of an actor, to 1,000 keys and to one key, compared
# with plain tasks that insert the same row, and with tasks that change a row of state
# themselves, in any order; a hit of the cache, compared with a
# prepared query by primary key; and sessions that miss one key of the cache at once.
package Bench::Measure::Actors;

use strict;
use warnings;

use Bench::Jadugar;
use Time::HiRes qw(time);

our $name = 'actors';

sub measure
{
	my ($run) = @_;
	my $n = $run->pick(20_000, 100_000);

	foreach my $round (1 .. $run->rounds(2, 3))
	{
		my ($plain) = run_backlog($run, 2, $n);

		$run->add($name, 'messages/s', 'tasks', '', $plain);
		$run->add($name, 'messages/s', 'tasks that change a state', '', by_hand($run, $n, 1000));
		foreach my $keys (1000, 1)
		{
			$run->add($name, 'messages/s', "jadugar, $keys key" . ($keys > 1 ? 's' : ''), '', messages($run, $n, $keys));
		}
		hits($run, $run->pick(20_000, 100_000));
		misses($run, 100);
	}
	return;
}

# Messages that two workers handle.
sub messages
{
	my ($run, $n, $keys) = @_;
	my ($rate) = run_backlog($run, 2, $n,
		prepare => sub {
			$_[0]->query(q{CREATE FUNCTION add(INOUT state jsonb, message jsonb, OUT reply jsonb) LANGUAGE plpgsql AS $$
				BEGIN
					INSERT INTO effect VALUES ((message ->> 'n')::integer);
					state := jsonb_build_object('n', (state ->> 'n')::integer + 1);
				END $$});
			$_[0]->query(q{SELECT jadugar.register_actor('add', 'add', initial => '{"n": 0}')});
		},
		enqueue => sub {
			$_[0]->query("SELECT count(jadugar.send('add', 'k' || n % $keys, jsonb_build_object('n', n))) FROM generate_series(1, $n) n");
		},
		check => sub {
			$run->same('state', $_[0]->query("SELECT sum((jadugar.actor_state('add', 'k' || k) ->> 'n')::integer) FROM generate_series(0, $keys - 1) k"), $n);
		});

	return $rate;
}

# Tasks that call a function, which does by itself what an actor's message does.
sub by_hand
{
	my ($run, $n, $keys) = @_;
	my ($rate) = run_backlog($run, 2, $n,
		prepare => sub {
			$_[0]->query(q{CREATE TABLE state (key text PRIMARY KEY, state jsonb) WITH (fillfactor = 50)});
			$_[0]->query(q{CREATE FUNCTION add(payload jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
				DECLARE s jsonb;
				BEGIN
					SELECT state INTO s FROM state WHERE key = payload ->> 'key' FOR UPDATE;
					INSERT INTO effect VALUES ((payload ->> 'n')::integer);
					s := jsonb_build_object('n', (s ->> 'n')::integer + 1);
					UPDATE state SET state = s WHERE key = payload ->> 'key';
					RETURN NULL;
				END $$});
			$_[0]->query(qq{INSERT INTO state SELECT 'k' || k, '{"n": 0}' FROM generate_series(0, $keys - 1) k});
		},
		enqueue => sub {
			$_[0]->query(qq{SELECT count(*) FROM jadugar.enqueue_batch('SELECT add(\$1)',
				ARRAY(SELECT jsonb_build_object('key', 'k' || n % $keys, 'n', n) FROM generate_series(1, $n) n))});
		},
		check => sub { $run->same('state', $_[0]->query(q{SELECT sum((state ->> 'n')::integer) FROM state}), $n); });

	return $rate;
}

# The time of a prepared statement that is executed many times by a session.
sub executions
{
	my ($session, $statement, $n) = @_;

	$session->query("PREPARE p AS $statement");
	$session->query(q{EXECUTE p('k7')}) foreach 1 .. 100;
	my $start = time();
	$session->query(q{EXECUTE p('k7')}) foreach 1 .. $n;
	my $seconds = time() - $start;
	$session->query('DEALLOCATE p');
	return $n / $seconds;
}

sub hits
{
	my ($run, $n) = @_;
	my $server = $run->{server};
	my $db = fresh_jadugar($run);
	my $session = $server->session($db);

	$session->query('CREATE TABLE value (key text PRIMARY KEY, value jsonb)');
	$session->query(q{INSERT INTO value SELECT 'k' || n, jsonb_build_object('n', n) FROM generate_series(1, 1000) n});
	$session->query(q{SELECT count(*) FROM generate_series(1, 1000) n WHERE jadugar.cache_set('k' || n, jsonb_build_object('n', n), '1 day')});
	$session->query('ANALYZE value');
	$run->add($name, 'hits/s', 'jadugar', '', executions($session, 'SELECT jadugar.cache_get($1)', $n));
	$run->add($name, 'hits/s', 'SELECT by primary key', '', executions($session, 'SELECT value FROM value WHERE key = $1', $n));
	$session->close;
	$server->drop($db);
	return;
}

# Sessions that ask for one value at once: how often is it computed?
sub misses
{
	my ($run, $sessions) = @_;
	my $server = $run->{server};
	my $db = fresh_jadugar($run);
	my @session = map { $server->session($db) } 1 .. $sessions;

	$session[0]->query('CREATE SEQUENCE computed');
	$_->query('SELECT 1') foreach @session;
	$_->send(q{SELECT jadugar.cached('one', 'SELECT nextval(''computed'') AS n FROM pg_sleep(0.2)')}) foreach @session;
	$_->result foreach @session;
	$run->add($name, 'computed', 'jadugar', $sessions, $session[0]->query('SELECT last_value FROM computed'));
	$_->close foreach @session;
	$server->drop($db);
	return;
}

1;
