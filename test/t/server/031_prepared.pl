# A task of a prepared transaction runs when another session commits it, and not
# before; also after a crash.
use strict;
use warnings;

use JadugarTest;
use Test::More;

my $node = new_cluster('main', 'jadugar.max_workers' => 3);
create_extension($node);
$node->safe_psql('postgres', 'CREATE TABLE effect (n int)');

sub prepare
{
	my ($gid) = @_;

	$node->safe_psql('postgres', qq{
		TRUNCATE effect;
		BEGIN;
		SELECT jadugar.enqueue('INSERT INTO effect VALUES (1)');
		SELECT jadugar.enqueue('INSERT INTO effect VALUES (2)', depends_on => ARRAY[
			jadugar.enqueue('INSERT INTO effect VALUES (3)')]);
		SELECT jadugar.enqueue('INSERT INTO effect VALUES (4)', concurrency_key => 'k');
		SELECT jadugar.enqueue('INSERT INTO effect VALUES (5)', delay => '100 ms');
		SELECT jadugar.schedule('$gid', jadugar.next_time('* * * * * *')::jadugar.timing,
			'INSERT INTO effect VALUES (6)');
		PREPARE TRANSACTION '$gid'});
	return;
}

sub ran
{
	my ($what) = @_;

	ok(poll($node, q{SELECT string_agg(n::text, ' ' ORDER BY n) FROM effect}, '0 1 2 3 4 5 6'), "$what: each task ran once");
	poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
	return;
}

sub meanwhile
{
	my ($what) = @_;
	my $task = $node->safe_psql('postgres', q{SELECT jadugar.enqueue('INSERT INTO effect VALUES (0)')});

	poll($node, "SELECT status FROM jadugar.get_task($task)", 'completed');
	is($node->safe_psql('postgres', 'SELECT n FROM effect'), '0', "$what: tasks of the prepared transaction do not run, others do");
	return;
}

# With idle workers
prepare('one');
meanwhile('warm');
my $at = $node->safe_psql('postgres', "COMMIT PREPARED 'one'; SELECT clock_timestamp()");
ran('warm');
cmp_ok($node->safe_psql('postgres',
		"SELECT extract(epoch FROM max(started_at) - '$at') FROM jadugar.history WHERE schedule IS NULL"),
	'<', 1, 'a task starts within a second of COMMIT PREPARED');

# After a crash
prepare('two');
meanwhile('before a crash');
kill_postmaster($node);
$node->start;
$node->safe_psql('postgres', 'TRUNCATE effect');
meanwhile('after a crash');
$node->safe_psql('postgres', "COMMIT PREPARED 'two'");
ran('after a crash');

# Rolled back
prepare('three');
meanwhile('to be rolled back');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'three'");
is($node->safe_psql('postgres', q{SELECT (SELECT count(*) FROM jadugar_internal.task), (SELECT count(*) FROM jadugar_internal.dependency),
		(SELECT count(*) FROM jadugar_internal.schedule WHERE name = 'three')}),
	'0|0|0', 'rolled back: nothing is left');

# CREATE EXTENSION in a prepared transaction
create_extension($node, 'later');
wait_for_process($node, 'scheduler', 'later');
$node->safe_psql('later', 'DROP EXTENSION jadugar');
poll($node, q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'later'}, '0');
$node->safe_psql('later', q{BEGIN; CREATE EXTENSION jadugar; PREPARE TRANSACTION 'four'});
$node->safe_psql('later', q{COMMIT PREPARED 'four'});
my $later = $node->safe_psql('later', q{SELECT jadugar.enqueue('SELECT 1')});
ok(poll($node, "SELECT status FROM jadugar.get_task($later)", 'completed', 'later'),
	'CREATE EXTENSION in a prepared transaction starts the scheduler');

# A database without the extension gets no scheduler, not even for a moment.
$node->safe_psql('postgres', 'CREATE DATABASE plain');
$node->safe_psql('postgres', q{ALTER SYSTEM SET log_min_messages = 'debug1'});
my $plain = $node->safe_psql('postgres', q{SELECT oid FROM pg_database WHERE datname = 'plain'});
$node->reload;
$node->restart;
my $offset = log_offset($node);
$node->safe_psql('plain', q{CREATE TABLE t (n int); BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'five'});
ok(wait_for_log($node, qr/starting background worker process "jadugar scheduler of database $plain"/, 0), 'the launcher has looked at each database');
poll($node, q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'plain'}, '0');
$offset = log_offset($node);
$node->safe_psql('plain', q{COMMIT PREPARED 'five'});
$node->safe_psql('later', 'DROP EXTENSION jadugar CASCADE');
$node->safe_psql('later', 'CREATE EXTENSION jadugar');
wait_for_process($node, 'scheduler', 'later');
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset), qr/scheduler of database $plain/,
	'COMMIT PREPARED starts no scheduler where there is no extension');

# No room for a database that the launcher has looked at
$node->safe_psql('postgres', 'DROP EXTENSION jadugar CASCADE');
$node->safe_psql('postgres', q{BEGIN; CREATE EXTENSION jadugar; PREPARE TRANSACTION 'six'});
$node->append_conf('postgresql.conf', 'jadugar.max_databases = 1');
$node->restart;
wait_for_process($node, 'scheduler', 'later');
$node->safe_psql('postgres', q{COMMIT PREPARED 'six'});
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_extension WHERE extname = 'jadugar'}), '1', 'COMMIT PREPARED succeeds without room');
$node->safe_psql('later', 'DROP EXTENSION jadugar CASCADE');
ok(wait_for_process($node, 'scheduler', 'postgres'), 'the database gets a scheduler when there is room');

$node->stop;
done_testing();
