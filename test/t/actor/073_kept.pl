# A worker keeps the state of a key between messages that it runs in one transaction, once
# their command is known not to fail.  What messages see, what is stored, and what is left
# after errors and kills is the same as if each had a transaction of its own.
use strict;
use warnings;

use ActorTest;
use JadugarTest;
use Test::More;

my $node = new_cluster('main', 'jadugar.max_workers' => 2);
create_extension($node);
make_counter($node);

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', "SET ROLE ann; $sql");
}

sub wait_for_all
{
	return poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
}

# Sends messages to a key, to be run together.
sub send_all
{
	my ($key, @messages) = @_;

	return $node->safe_psql('postgres', join '; ', 'SELECT jadugar.pause_all()', 'SET ROLE ann',
		(map { "SELECT jadugar.send('count', '$key', '$_')" } @messages), 'RESET ROLE', 'SELECT jadugar.resume_all()');
}

# each worker learns that the command does not fail
foreach (1 .. 10)
{
	sql(q{SELECT count(jadugar.send('count', 'warm' || n % 50, jsonb_build_object('n', n))) FROM generate_series(1, 500) n});
	wait_for_all();
}

my @add = map { qq({"n": $_}) } 1 .. 20;
my ($see, $undo, $forget, $fail) = map { qq({"do": "$_"}) } 'see', 'see and undo', 'forget', 'fail once';

send_all('a', @add[ 0 .. 4 ], $see, @add[ 5 .. 9 ], $undo, $add[10], $see, $add[11]);
wait_for_all();
is(sql(q{SELECT jadugar.actor_state('count', 'a')}), '{"n": 12, "sum": 78, "last": 12, "ordered": true}', 'each message found the state of the one before it');
is(sql(q{SELECT string_agg(what, ' ' ORDER BY n) FROM app.seen WHERE key = 'a'}), '5 undone 11', 'actor_state() returned it');
is($node->safe_psql('postgres', q{SELECT version FROM jadugar_internal.actor_state WHERE key = 'a'}), '15', 'each message is a version');

# a group ends early on a busy machine
my $together = 0;
foreach my $i (1 .. 50)
{
	send_all("together$i", $add[0], $see, $add[1], $see);
	wait_for_all();
	is(sql("SELECT string_agg(what, ' ' ORDER BY n) FROM app.seen WHERE key = 'together$i'"), '1 2', 'messages see what came before');
	$together = sql("SELECT count(DISTINCT transaction) FROM app.seen WHERE key = 'together$i'") == 1;
	last if $together;
}
ok($together, 'also in one transaction');

send_all('b', @add[ 0 .. 2 ], $forget, $see, @add[ 3 .. 4 ], $forget);
wait_for_all();
is(sql(q{SELECT jadugar.actor_state('count', 'b') IS NULL}), 't', 'a key is forgotten');
is(sql(q{SELECT what IS NOT DISTINCT FROM '0' FROM app.seen WHERE key = 'b'}), 't', 'and begins again from the initial state');

send_all('c', @add[ 0 .. 4 ], $fail, @add[ 5 .. 9 ]);
wait_for_all();
is(sql(q{SELECT jadugar.actor_state('count', 'c')}), '{"n": 10, "sum": 55, "last": 10, "ordered": true}', 'a message that fails loses nothing and repeats nothing');
is(sql(q{SELECT count(*), count(DISTINCT n) FROM app.effect WHERE key = 'c'}), '10|10', 'nor do effects');

# kills
sql(q{TRUNCATE app.effect; SELECT count(jadugar.send('count', 'k' || k, jsonb_build_object('n', n))) FROM generate_series(1, 600) n, generate_series(1, 20) k});
kill_in_turn($node, 'postgres', 'SELECT count(*) FROM app.effect', 3000);
wait_for_all();
is(sql('SELECT count(*), count(DISTINCT (key, n)) FROM app.effect'), '12000|12000', 'after kills, each message took effect once');
is(sql(q{SELECT bool_and(jadugar.actor_state('count', 'k' || k) = '{"n": 600, "sum": 180300, "last": 600, "ordered": true}') FROM generate_series(1, 20) k}),
	't', 'and the states say so');

$node->stop;
done_testing();
