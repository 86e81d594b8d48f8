# The process that sends requests, the scheduler or the server ends at each instant that
# matters, and at any.  Each request is sent, with one key, and never after its task has
# completed.
use strict;
use warnings;

use HttpServer;
use JadugarTest;
use Kill;
use PostgreSQL::Test::Utils;
use Test::More;

# kills under load; the issue of HTTP asks for 100
my $kills = $ENV{JADUGAR_KILLS} // 12;

my $server = HttpServer->new(PostgreSQL::Test::Utils::tempdir_short());
my $node = new_cluster('main', -faults => 1,
	'jadugar.http_allow_addresses' => '127.0.0.0/8',
	'jadugar.max_crashes' => 1000,
	'jadugar.http_idle_timeout' => '100ms',
	shared_buffers => '32MB');
create_extension($node);
$node->safe_psql('postgres', qq{
	CREATE SERVER local FOREIGN DATA WRAPPER jadugar_http OPTIONS (breaker 'off',
		base_url 'http://127.0.0.1:$server->{port}', allow_addresses '127.0.0.0/8',
		retry '{"max_attempts": 100, "backoff": "fixed", "delay": 0.01}')});

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', "SET search_path = jadugar, public; $sql");
}

# Arms a fault point in all processes; '': none.
sub arm
{
	my ($fault) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET jadugar.fault = '$fault'");
	$node->reload;
	return poll($node, q{SELECT current_setting('jadugar.fault')}, $fault);
}

# What is wrong with the requests so far, by the history and the server's own record.
sub faults
{
	my %last;
	my %seen;
	my @wrong;

	foreach my $r ($server->requests)
	{
		my ($id) = $r->{key} =~ /:(\d+)$/ or push @wrong, "key $r->{key}";
		$seen{$id}{ $r->{key} } = 1;
		$last{$id} = $r->{time};
	}
	foreach my $row (split /\n/, sql(q{SELECT task_id || ' ' || status || ' ' || extract(epoch FROM finished_at) FROM history WHERE final AND error ->> 'kind' IS DISTINCT FROM 'not_kept'}))
	{
		my ($id, $status, $at) = split / /, $row;

		push @wrong, "task $id is $status" if $status ne 'completed';
		push @wrong, "task $id was not sent" if !$seen{$id};
		push @wrong, "task $id has several keys" if keys %{ $seen{$id} } > 1;
		push @wrong, "task $id was sent after its end" if $last{$id} > $at;
	}
	return @wrong;
}

# --- every fault point ----------------------------------------------------------------

# point, action, attempts that are lost
my @points = (
	[ 'http-started', 'kill9', 0 ], [ 'http-started', 'error', 0 ], [ 'http-started', 'sigterm', 0 ],
	[ 'http-made', 'kill9', 1 ], [ 'http-made', 'error', 0 ],
	[ 'http-before-mark', 'kill9', 0 ], [ 'http-before-mark', 'error', 0 ],
	[ 'http-marked', 'kill9', 1 ], [ 'http-marked', 'sigterm', 0 ], [ 'http-marked', 'error', 1 ],
	[ 'http-before-settle', 'kill9', 1 ], [ 'http-before-settle', 'error', 0 ],
	[ 'http-settled', 'kill9', 0 ], [ 'http-settled', 'sigterm', 0 ], [ 'http-settled', 'error', 0 ]);
my %tested = map { $_->[0] => 1 } @points;

is(join(' ', sort keys %tested), join(' ', grep { /^http-/ } fault_points()), 'every fault point of requests is tested');
foreach my $p (@points)
{
	my ($point, $action, $lost) = @$p;
	my $what = "$point:$action";
	my $offset = log_offset($node);

	unlink glob($node->data_dir . '/jadugar_fault.*');
	ok(poll($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'jadugar http'}, '0'), "$what: no process is there");
	arm($what);
	# the crash may end this session, after its commit
	eval { sql(q{SELECT enqueue('http', '{"endpoint": "local", "path": "/ok"}')}); 1; }
	  or note("enqueue: $@");
	poll_sub("$what is hit", sub { return -e $node->data_dir . '/jadugar_fault.1'; });
	wait_for_restart($node, 'http', $offset) if $action eq 'kill9';
	arm('');
	my $id = sql('SELECT max(task_id) FROM (SELECT task_id FROM tasks UNION ALL SELECT task_id FROM history) t');
	ok(poll($node, "SELECT count(*) FROM jadugar.tasks WHERE task_id = $id", '0'), "$what: the task ends");
	is(sql("SELECT count(*) FILTER (WHERE status = 'lost') || ' ' || count(*) FILTER (WHERE status = 'completed') FROM history WHERE task_id = $id"),
		"$lost 1", "$what: $lost attempts are lost");
}
is(join("\n", faults()), '', 'nothing was sent twice without need');

# --- a cancel while an end is being written -----------------------------------------------

unlink glob($node->data_dir . '/jadugar_fault.*');
arm('http-before-settle:wait');
my $id = sql(q{SELECT enqueue('http', '{"endpoint": "local", "path": "/fail/1", "query": {"id": "cancel"}}')});
poll_sub('an end is being written', sub { return -e $node->data_dir . '/jadugar_fault.1'; });
is(sql("SELECT cancel($id)"), 'f', 'a task that is being settled is not cancelled');
append_to_file($node->data_dir . '/jadugar_fault.go', '');
arm('');
ok(poll($node, "SELECT count(*) FROM jadugar.tasks WHERE task_id = $id", '0'), 'it goes on');
is(sql("SELECT string_agg(status, ' ' ORDER BY attempt) FROM history WHERE task_id = $id"), 'failed completed', 'as was said');
unlink glob($node->data_dir . '/jadugar_fault.*');

# --- ends that cannot be settled ----------------------------------------------------------

# what one of them raises concerns no other
sql(q{CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'refused'; END$$;
	CREATE TRIGGER refuse BEFORE UPDATE ON jadugar_internal.task FOR EACH ROW
		WHEN (NEW.attempt > OLD.attempt AND OLD.payload ->> 'path' = '/fail/1') EXECUTE FUNCTION public.refuse()});
$id = sql(q{SELECT enqueue('http', '{"endpoint": "local", "path": "/fail/1", "query": {"id": "refused"}}')});
my @others = map { sql(q{SELECT enqueue('http', '{"endpoint": "local", "path": "/ok"}')}) } 1 .. 5;
ok(poll($node, 'SELECT count(*) FROM jadugar.history WHERE task_id = ANY (ARRAY[' . join(',', @others) . q{]) AND status = 'completed'}, 5), 'an end that cannot be settled holds up no other');
is(sql("SELECT status FROM tasks WHERE task_id = $id"), 'running', 'it waits');
sql('DROP TRIGGER refuse ON jadugar_internal.task');
ok(poll($node, "SELECT count(*) FROM jadugar.tasks WHERE task_id = $id", '0'), 'until it can be settled');
is(sql("SELECT string_agg(status, ' ' ORDER BY attempt) FROM history WHERE task_id = $id"), 'failed completed', 'as it ended');

# one that is refused again and again becomes an error, instead of its result
sql(q{CREATE SEQUENCE public.refusals;
	CREATE FUNCTION public.refuse_8() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF nextval('public.refusals') <= 8 THEN RAISE 'refused'; END IF; RETURN OLD; END$$;
	CREATE TRIGGER refuse BEFORE DELETE ON jadugar_internal.task FOR EACH ROW
		WHEN (OLD.payload ->> 'path' = '/size/7') EXECUTE FUNCTION public.refuse_8()});
$id = sql(q{SELECT enqueue('http', '{"endpoint": "local", "path": "/size/7"}')});
ok(poll($node, "SELECT count(*) FROM jadugar.tasks WHERE task_id = $id", '0'), 'an end that is refused again and again is settled');
is(sql("SELECT concat_ws(' ', status, error ->> 'message', error ->> 'kind', error ->> 'status', result) FROM history WHERE task_id = $id"),
	'failed refused not_kept 200', 'as an error');
sql('DROP TRIGGER refuse ON jadugar_internal.task');

# --- kills under load -------------------------------------------------------------------

sub more
{
	return eval {
		sql(q{SELECT count(enqueue('http', jsonb_build_object('endpoint', 'local', 'path', CASE n % 3 WHEN 0 THEN '/after/0.05' ELSE '/ok' END)))
			FROM generate_series(1, 40) n}); 1; };
}

srand(1);
foreach my $n (1 .. $kills)
{
	my $kind = qw(http http http scheduler postmaster)[rand 5];
	my $offset = log_offset($node);

	poll_sub('there is work', sub { more(); return 1; });
	if ($kind eq 'postmaster')
	{
		kill_postmaster($node);
		wait_for_restart($node, $kind, $offset);
		next;
	}
	my $pid = (jadugar_processes($node, $kind))[0] or next;
	my $signal = $n % 3 ? 'KILL' : 'TERM';
	kill_process($pid, $signal);
	wait_for_restart($node, $kind, $offset) if $signal eq 'KILL';
}
ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', '0'), "after $kills kills all tasks end");
is(join("\n", faults()), '', 'each was sent, with one key, and never after its end');
cmp_ok(sql(q{SELECT count(*) FROM history WHERE status = 'lost'}), '>', 3, 'attempts were lost on the way');

$node->stop;
$server->stop;
done_testing();
