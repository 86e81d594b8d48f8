# The first partition of topic jadugar is made by the scheduler, or by a session
# that subscribes: never by one whose work is told, since its transaction may
# stay open.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', 'jadugar.enabled' => 'off', 'jadugar.lifecycle_events' => 'task.*');
my $events = q{SELECT type FROM jadugar.read_events(topics => '{jadugar}') ORDER BY event_id};
my $leaf = q{SELECT leaf IS NOT NULL FROM jadugar_internal.topic WHERE name = 'jadugar'};

# Without a scheduler: no event before the first partition, and nobody makes one
$node->safe_psql('postgres', 'CREATE EXTENSION jadugar');
my $open = $node->background_psql('postgres');
$open->query_safe(q{BEGIN; SELECT jadugar.enqueue('SELECT 1')});
is($node->safe_psql('postgres', $leaf), 'f', 'a session whose work is told makes no partition');
is($node->safe_psql('postgres', q{SET lock_timeout = '10 s'; SELECT jadugar.enqueue('SELECT 1') > 0; SELECT jadugar.create_topic('other') > 0}),
	"t\nt", 'nobody waits for it');
is($open->query_safe(q{SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.pid = pg_backend_pid() AND c.relname LIKE 'event\_%' AND l.mode ~ 'Exclusive'}),
	'0', 'it holds no lock of the log');
$open->query_safe('COMMIT');

# From the commit of a subscription on, everything has its event
$node->safe_psql('postgres', q{SELECT jadugar.subscribe('s', '{task.enqueued}', 'SELECT 1', topics => '{jadugar}')});
is($node->safe_psql('postgres', $leaf), 't', 'a subscription makes it');
$node->safe_psql('postgres', q{SELECT jadugar.enqueue('SELECT 1')});
is($node->safe_psql('postgres', $events), 'task.enqueued', 'then events are written');
$open->quit;

# The scheduler makes it as well, when the database is first used
$node->safe_psql('postgres', 'CREATE DATABASE second');
$node->safe_psql('second', 'CREATE EXTENSION jadugar');
$node->append_conf('postgresql.conf', 'jadugar.enabled = on');
$node->restart;
$node->safe_psql('second', q{SELECT jadugar.enqueue('SELECT 1')});
ok(poll($node, $leaf, 't', 'second'), 'the scheduler makes it');
$node->safe_psql('second', q{SELECT jadugar.enqueue('SELECT 1')});
my $enqueued = q{SELECT count(*) FROM jadugar.read_events('{task.enqueued}', '{jadugar}')};
my $before = $node->safe_psql('second', $enqueued);
cmp_ok($before, '>', 0, 'then events are written');

# In a restored dump, adopt() does
$node->safe_psql('second', q{SELECT jadugar.subscribe('s', '{task.enqueued}', 'SELECT 1', topics => '{jadugar}')});
poll($node, q{SELECT behind FROM jadugar.subscriptions}, '0', 'second');
my $dump = $node->data_dir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('second') ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('copy') ], 'restore');
$node->safe_psql('copy', q{BEGIN; SELECT jadugar.adopt(); SELECT jadugar.enqueue('SELECT ''new'''); COMMIT});
is($node->safe_psql('copy', $enqueued), $before + 1, 'adopt() makes it in its own transaction');

$node->stop;
done_testing();
