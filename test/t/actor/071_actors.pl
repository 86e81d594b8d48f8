# Messages of actors take effect exactly once and in order, while workers and the
# server are killed; two sessions send to one key; a dump keeps actors, states and
# stopped keys; renamed and dropped owners; idle keys; drop_actor() at work.
use strict;
use warnings;

use ActorTest;
use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', 'jadugar.max_workers' => 3);
create_extension($node);
make_counter($node, q{on_failure => 'stop'});

# ------------------------------------------------------------ kills under load

$node->safe_psql('postgres', q{
	SET ROLE ann;
	SELECT count(jadugar.send('count', 'k' || k, jsonb_build_object('n', n))) FROM generate_series(1, 300) n, generate_series(1, 10) k});
kill_in_turn($node, 'postgres', 'SELECT count(*) FROM app.effect', 500);
poll($node, q{SELECT count(*) FROM jadugar.tasks WHERE concurrency_key LIKE 'actor/%'}, '0');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT (key, n)) FROM app.effect'), '3000|3000', 'each message took effect once');
is($node->safe_psql('postgres', q{SELECT bool_and(jadugar.actor_state('count', 'k' || k) = '{"n": 300, "sum": 45150, "last": 300, "ordered": true}') FROM generate_series(1, 10) k}),
	't', 'the messages of each key were handled in order');
is($node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.history WHERE final AND status <> 'completed'}), '0', 'none has failed');

# ---------------------------------------------------- two sessions send to a key

my @senders = map { $node->background_psql('postgres', extra_params => [ '-U', 'ann' ]) } 1 .. 2;
foreach my $i (1 .. 20)
{
	my $sender = $senders[$i % 2];
	my $n = 10 * $i;

	$sender->query_safe("BEGIN; SELECT jadugar.send('count', 'two', '{\"do\": \"try\", \"n\": $n}')");
	$sender->query_safe('COMMIT');
}
$_->quit foreach @senders;
poll($node, q{SELECT jadugar.actor_state('count', 'two') ->> 'last'}, '200');
is($node->safe_psql('postgres', q{SELECT jadugar.actor_state('count', 'two') ->> 'ordered'}), 'true', 'messages of two sessions are handled as they were sent');

# ----------------------------------------------- stopped keys survive a restart

sub send_to
{
	my ($key, $message) = @_;

	return $node->safe_psql('postgres', "SET ROLE ann; SELECT jadugar.send('count', '$key', '$message')");
}

my $failed = send_to('s', '{"do": "fail"}');
my $next = send_to('s', '{"n": 1}');
poll($node, q{SELECT stopped FROM jadugar.actors}, '1');
$node->stop('immediate');
$node->start;
wait_for_process($node, 'scheduler', 'postgres');
my $other = send_to('after', '{"n": 1}');
poll($node, "SELECT status FROM jadugar.get_task($other)", 'completed');
is($node->safe_psql('postgres', "SELECT status, waiting_for FROM jadugar.get_task($next)"), 'pending|concurrency_key', 'a stopped key is stopped after a crash');

# ------------------------------------------------------------- dump and restore

my $dump = "$PostgreSQL::Test::Utils::tmp_check/dump.sql";
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('copy') ], 'restore');
$node->safe_psql('copy', q{SELECT count(*) FROM jadugar.adopt()});
is($node->safe_psql('copy', q{SELECT actor, owner, keys, waiting, stopped FROM jadugar.actors}), 'count|ann|12|1|1', 'the copy has actors, states and stopped keys');
$node->safe_psql('copy', q{SET ROLE ann; SELECT jadugar.reset_actor('count', 's')});
poll($node, q{SELECT jadugar.actor_state('count', 's') ->> 'sum'}, '1', 'copy');
ok(1, 'and a key goes on there');

# ---------------------------------------------------------- owners, idle keys

$node->safe_psql('postgres', 'ALTER ROLE ann RENAME TO anna');
$node->safe_psql('postgres', q{SET ROLE anna; SELECT jadugar.reset_actor('count', 's')});
poll($node, q{SELECT jadugar.actor_state('count', 's') ->> 'sum'}, '1');
is($node->safe_psql('postgres', 'SELECT owner, stopped FROM jadugar.actors'), 'anna|0', 'an actor follows its renamed owner');

my $locker = $node->background_psql('postgres');
$locker->query_safe('SELECT pg_advisory_lock(7)');
my $running = $node->safe_psql('postgres', q{SET ROLE anna; SELECT jadugar.send('count', 'busy', '{"do": "wait", "n": 1}')});
wait_running($node, $running);
my $waiting = $node->safe_psql('postgres', q{SET ROLE anna; SELECT jadugar.send('count', 'busy', '{"n": 2}')});
my $dropper = $node->background_psql('postgres', extra_params => [ '-U', 'anna' ]);
$dropper->query_until(qr/dropping/, "\\echo dropping\nSELECT jadugar.drop_actor('count');\n");
# the message waits for that lock, and drop_actor() for the message
poll($node, q{SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'}, '2');
$locker->query_safe('SELECT pg_advisory_unlock(7)');
$dropper->query_safe('SELECT 1');
$dropper->quit;
$locker->quit;
poll($node, "SELECT count(*) FROM jadugar.tasks WHERE task_id IN ($running, $waiting)", '0');
is($node->safe_psql('postgres', "SELECT status FROM jadugar.get_task($running)"), 'completed', 'drop_actor() waits for a message that runs');
like($node->safe_psql('postgres', "SELECT status FROM jadugar.get_task($waiting)"), qr/cancelled|failed/, 'and ends those that wait');
is($node->safe_psql('postgres', 'SELECT count(*) FROM jadugar_internal.actor_state'), '0', 'no state is left');

# The scheduler forgets idle keys at its start.
$node->safe_psql('postgres', "SET ROLE anna; SELECT jadugar.register_actor('idle', 'app.count', idle_ttl => '1 ms', $counter_options)");
$node->safe_psql('postgres', q{SET ROLE anna; SELECT jadugar.send('idle', 'k' || n, '{"n": 1}') FROM generate_series(1, 50) n});
poll($node, q{SELECT keys FROM jadugar.actors}, '50');
$node->restart;
poll($node, q{SELECT keys FROM jadugar.actors}, '0');
ok(1, 'idle keys are forgotten');

done_testing();
