# The process that sends requests cannot be started: its library is missing, or no
# background process is free.  All else works, requests wait, and go on when it can.
use strict;
use warnings;

use HttpServer;
use HttpTasks;
use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $server = HttpServer->new($dir);
chomp(my $libraries = `pg_config --pkglibdir`);

# Enqueues a request and a task, of which only the latter runs; the words of health.
sub request_waits
{
	my ($node, $detail, $hint, $name) = @_;

	create_endpoint($node, 'local', base_url => "http://127.0.0.1:$server->{port}", allow_addresses => '127.0.0.0/8');
	my $id = send_request($node, 'local', '/ok');
	my $task = $node->safe_psql('postgres', q{SELECT jadugar.enqueue('SELECT 1')});
	is(attempts($node, $task, 'status'), 'completed', "$name: other tasks run");
	is_waiting($node, $id, $detail, $hint);
	return $id;
}

# A request waits for the process, and health says why.
sub is_waiting
{
	my ($node, $id, $detail, $hint) = @_;

	ok(poll($node, q{SELECT severity || ': ' || detail FROM jadugar.health WHERE what = 'http'}, "error: HTTP tasks wait: $detail"), 'health shows the cause');
	like($node->safe_psql('postgres', q{SELECT hint FROM jadugar.health WHERE what = 'http'}), $hint, 'and what to do');
	is($node->safe_psql('postgres', qq{SELECT concat_ws(' ', status, waiting_for, attempt) FROM jadugar.tasks WHERE task_id = $id}), 'pending http 0', 'the request waits');
	return;
}

sub request_goes_on
{
	my ($node, $id) = @_;

	is(attempts($node, $id, q{status || ':' || attempt}), 'completed:1', 'then it is sent');
	is($node->safe_psql('postgres', q{SELECT severity || ': ' || detail FROM jadugar.health WHERE what = 'http'}),
		'ok: no HTTP task waits for the process that sends requests', 'and health is content');
	return;
}

# --- the library ------------------------------------------------------------------

# The processes find their libraries in a directory of ours.
symlink "$libraries/jadugar.so", "$dir/jadugar.so";
my $node = new_cluster('library', dynamic_library_path => $dir, 'jadugar.http_allow_addresses' => '127.0.0.0/8');
create_extension($node);
my $id = request_waits($node, 'the process that sends requests has ended at its start', qr/jadugar_http/, 'without the library');
like(slurp_file($node->logfile), qr/could not access file "jadugar_http"/, 'the log names the file');
is($node->safe_psql('postgres', q{SELECT jadugar.cancel(jadugar.call_service('local', '/ok'))}), 't', 'a request that waits can be cancelled');
symlink "$libraries/jadugar_http.so", "$dir/jadugar_http.so";
request_goes_on($node, $id);
$node->stop;

# --- background processes ---------------------------------------------------------------

# one is the launcher, one the scheduler, and one a worker, which runs a task
$node = new_cluster('places', max_worker_processes => 3, max_logical_replication_workers => 0, 'jadugar.max_workers' => 1,
	'jadugar.warm_workers' => 1, 'jadugar.http_allow_addresses' => '127.0.0.0/8');
create_extension($node);
create_endpoint($node, 'local', base_url => "http://127.0.0.1:$server->{port}", allow_addresses => '127.0.0.0/8');
# waits-for-time: between looks
my $busy = $node->safe_psql('postgres', q{CREATE TABLE go (); SELECT jadugar.enqueue('DO $$BEGIN WHILE NOT EXISTS (SELECT FROM go) LOOP PERFORM pg_sleep(0.05); END LOOP; END$$')});
ok(poll($node, 'SELECT task_id FROM jadugar.running', $busy), 'without a place: a task runs');
$id = send_request($node, 'local', '/ok');
is_waiting($node, $id, 'no background process is free for the one that sends requests', qr/max_worker_processes/);
$node->safe_psql('postgres', 'INSERT INTO go DEFAULT VALUES');
request_goes_on($node, $id);
is(attempts($node, $node->safe_psql('postgres', q{SELECT jadugar.enqueue('SELECT 1')}), 'status'), 'completed', 'the process makes room for a worker');
$node->stop;

# --- turned off ------------------------------------------------------------------------------

$node = new_cluster('none', 'jadugar.max_http_processes' => 0);
create_extension($node);
request_waits($node, 'all of jadugar.max_http_processes are in use', qr/max_http_processes/, 'without processes');
$node->safe_psql('postgres', q{ALTER SYSTEM SET jadugar.http_enabled = off});
$node->reload;
ok(poll($node, q{SELECT severity || ': ' || detail FROM jadugar.health WHERE what = 'http'}, 'warning: jadugar.http_enabled is off: no request is sent'),
	'health shows that requests are turned off');
$node->stop;

is(scalar(() = $server->requests), 2, 'each request was sent once');
$server->stop;
done_testing();
