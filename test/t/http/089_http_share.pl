# Requests of several roles and databases in one process, and in few: places, memory,
# roles that may not run work, and a request that crashes the server each time.
use strict;
use warnings;

use HttpServer;
use JadugarTest;
use Kill;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = HttpServer->new(PostgreSQL::Test::Utils::tempdir_short());
my $node = new_cluster('main',
	'jadugar.http_allow_addresses' => '127.0.0.0/8',
	'jadugar.max_http_processes' => 1,
	'jadugar.http_max_transfers' => 8,
	'jadugar.http_memory' => '1MB',
	'jadugar.max_crashes' => 3);

sub sql
{
	my ($sql, $role, $db) = @_;

	return $node->safe_psql($db // 'postgres', ($role ? "SET ROLE $role;" : '') . "SET search_path = jadugar, public; $sql");
}

sub create_endpoint
{
	my ($db) = @_;

	create_extension($node, $db);
	return $node->safe_psql($db, qq{
		CREATE SERVER local FOREIGN DATA WRAPPER jadugar_http OPTIONS (breaker 'off', max_concurrency '100',
			base_url 'http://127.0.0.1:$server->{port}', allow_addresses '127.0.0.0/8',
			retry '{"max_attempts": 100, "backoff": "fixed", "delay": 0.01}');
		GRANT USAGE ON FOREIGN SERVER local TO PUBLIC});
}

create_endpoint('postgres');
$node->safe_psql('postgres', join('', map { "CREATE ROLE $_ LOGIN; SELECT jadugar.grant_access('$_');" } qw(slow quick)));

# Enqueues n requests of a role; returns the last id.
sub requests
{
	my ($role, $n, $payload) = @_;

	return sql(qq{SELECT max(enqueue('http', '{"endpoint": "local"}'::jsonb || '$payload')) FROM generate_series(1, $n)}, $role);
}

sub under_way
{
	my ($role) = @_;

	return sql("SELECT count(*) FROM running WHERE owner = '$role'");
}

sub paths
{
	my ($path) = @_;

	return scalar grep { $_->{path} =~ m{^$path} } $server->requests;
}

# --- places ---------------------------------------------------------------------------

requests('slow', 20, '{"path": "/hang"}');
ok(poll_sub('requests of the slow role are sent', sub { return paths('/hang') == 4; }), 'a role alone has half of the places');
my $id = requests('quick', 20, '{"path": "/ok"}');
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE owner = 'quick' AND status = 'completed'}, 20), 'requests of another role are sent');
is(under_way('slow'), 4, 'while those of the first hang');
is(sql('SELECT cancel_tasks()', 'slow'), 20, 'they are cancelled');
ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', 0), 'all of them');

# --- memory ---------------------------------------------------------------------------

my $kilobytes = 300;
my $body = qq{"body_text": "$kilobytes"};
sql(qq{SELECT count(enqueue('http', jsonb_build_object('endpoint', 'local', 'path', '/after/0.3', 'method', 'POST',
	'body_text', repeat('x', $kilobytes * 1024)))) FROM generate_series(1, 4)}, 'slow');
ok(poll_sub('requests with large bodies are sent', sub { return paths('/after/0.3') > 0; }), 'a large body is sent');
sql(q{SELECT enqueue('http', jsonb_build_object('endpoint', 'local', 'path', '/ok', 'method', 'POST', 'body_text', repeat('x', 700000)))}, 'quick');
ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', 0), 'and all are sent in the end');
is(sql(q{SELECT count(*) FROM history a JOIN history b ON a.task_id < b.task_id AND a.started_at < b.finished_at AND b.started_at < a.finished_at
	WHERE a.owner = 'slow' AND b.owner = 'slow' AND a.status = 'completed' AND b.status = 'completed'}), 0, 'one at a time: two would be more than half of the memory');

# --- roles that may not run work ----------------------------------------------------------

my $sent = paths('/ok');
my $held = q{SELECT enqueue('http', '{"endpoint": "local", "path": "/ok"}', queue => 'held')};
sql(q{SELECT create_queue('held'), pause_queue('held')}, 'quick');
$id = sql($held, 'quick');
$node->safe_psql('postgres', 'ALTER ROLE quick NOLOGIN');
sql(q{SELECT resume_queue('held')});
requests('slow', 1, '{"path": "/size/1"}');
ok(poll($node, q{SELECT count(*) FROM jadugar.tasks WHERE owner = 'slow'}, 0), 'requests of other roles are sent');
is(sql("SELECT waiting_for FROM tasks WHERE task_id = $id"), 'owner_nologin', 'that of a role without LOGIN waits');
$node->safe_psql('postgres', 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC; GRANT CONNECT ON DATABASE postgres TO slow; ALTER ROLE quick LOGIN');
is(sql("SELECT waiting_for FROM tasks WHERE task_id = $id"), 'owner_noconnect', 'also without CONNECT');
requests('slow', 1, '{"path": "/size/1"}');
poll($node, q{SELECT count(*) FROM jadugar.tasks WHERE owner = 'slow'}, 0);
is(paths('/ok'), $sent, 'nothing was sent');
$node->safe_psql('postgres', 'GRANT CONNECT ON DATABASE postgres TO PUBLIC');
ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', 0), 'then it is sent');

# the process starts also for a role that could not send before
sql(q{SELECT pause_queue('held')});
sql($held, 'quick');
$node->safe_psql('postgres', 'ALTER ROLE quick NOLOGIN');
sql(q{SELECT resume_queue('held')});
kill_process((jadugar_processes($node, 'http'))[0], 'TERM');
poll($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'jadugar http'}, 0);
$node->safe_psql('postgres', 'ALTER ROLE quick LOGIN');
ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', 0), 'it starts once the role may log in');

# --- fewer processes than databases --------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE other');
create_endpoint('other');
foreach my $db (qw(other postgres other))
{
	sql(q{SELECT enqueue('http', '{"endpoint": "local", "path": "/ok"}')}, undef, $db);
	ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', 0, $db), "an idle process makes room for that of $db");
}

# --- a request that crashes the server -------------------------------------------------------

my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
my $guilty = requests('slow', 1, qq{{"path": "/kill", "query": {"parent": "$postmaster"}}});
my $last;
ok(poll_sub('the guilty request has failed', sub {
		eval { $last = requests('quick', 3, '{"path": "/after/0.2"}') if sql('SELECT count(*) FROM tasks') < 12; 1; } or return 0;
		return eval { sql("SELECT count(*) FROM history WHERE task_id = $guilty AND final") } // 0; }), 'the request that crashes the server each time');
is(sql("SELECT string_agg(status || ' ' || error_code, ', ' ORDER BY attempt) FROM history WHERE task_id = $guilty"),
	'lost WORKER_CRASHED, lost WORKER_CRASHED, failed WORKER_CRASHED', 'fails after max_crashes');
ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', 0), 'all others end');
is(sql(q{SELECT count(*) FROM history WHERE owner = 'quick' AND final AND status <> 'completed'}), 0, 'well');

$node->stop;
$server->stop;
done_testing();
