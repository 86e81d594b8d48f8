# Prove: that a server is idle again, and that nothing was lost or doubled.
#
# come_to_rest(T [, LOAD]) ends open transactions and waits until no task is left;
# prove(T, LOAD) checks the tables (prove.sql), processes and locks, and returns the
# problems that it found; forget(T) makes room for the next round.
package Prove;

use strict;
use warnings;

use Exporter qw(import);
use JadugarTest;
use Kill;
use Load;
use PostgreSQL::Test::Utils;
use POSIX qw(strftime);
use Tenants;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(come_to_rest prove prove_tables forget);


sub sql
{
	my ($t, $sql, $dbname) = @_;

	return $t->{node}->safe_psql($dbname // 'postgres', $sql);
}

# Finishes transactions that were prepared and not finished.
sub finish_prepared
{
	my ($t, $load) = @_;

	foreach my $gid (split /\n/, sql($t, 'SELECT gid FROM pg_prepared_xacts'))
	{
		my ($what, $end) = rand() < 0.5 ? ('ack', 'COMMIT') : ('undo', 'ROLLBACK');

		sql($t, "$end PREPARED '$gid'");
		note_outcome($load, $what, $gid) if $load;
	}
	return;
}

# Returns false if something is stuck.
sub come_to_rest
{
	my ($t, $load) = @_;

	finish_prepared($t, $load);
	if ($t->{limits})
	{
		drop_guests($t) or return 0;
		sql($t, 'SELECT torture.restore_limits()');
	}
	sql($t, q{SELECT jadugar.pause_schedule(name, owner => owner) FROM jadugar.schedules WHERE name <> 'boot'});
	# signals, approvals and events that runs wait for
	my ($ask, $runs) = $t->{flows} ? (
		'SELECT jadugar.resume_flow(run_id) FROM jadugar_internal.flow_run WHERE paused_at IS NOT NULL AND finished_at IS NULL; CALL flowtest.ask_all();',
		'+ (SELECT count(*) FROM flowtest.unfinished)') : ('', '');
	# what consumers fetch, and what is dead or paused
	my ($deliver, $events) = $t->{events} ? (
		'CALL torture.consume_all(); SELECT torture.redrive(); SELECT jadugar.resume_subscription(name, owner => owner) FROM jadugar.subscriptions WHERE paused_at IS NOT NULL;',
		'+ torture.undelivered()') : ('', '');
	# a key that a crash has left without its task stays until the next sweep
	return poll_sub(
		'nothing is left to do',
		sub {
			my $n = eval {
				sql($t, qq{
					SELECT jadugar.resume_task(task_id) FROM jadugar_internal.task WHERE state = 'p';
					$ask
					$deliver
					SELECT (SELECT count(*) FROM jadugar_internal.task)
						+ (SELECT count(*) FROM jadugar_internal.unique_key WHERE until IS NULL) $runs $events});
			};
			return defined $n && $n =~ /(?:^|\n)0$/;
		})
	  && poll($t->{node}, q{SELECT count(*) FROM jadugar.workers
		WHERE state NOT IN ('idle', 'starting') OR task_id IS NOT NULL}, '0')
	  && poll($t->{node}, q{SELECT last_startup = pg_postmaster_start_time() FROM jadugar_internal.schedule WHERE name = 'boot'})
	  && (!$t->{second} || poll($t->{node}, 'SELECT count(*) FROM jadugar_internal.task', '0', 'second'));
}

# The views show every process of the server.
sub stray_processes
{
	my ($t) = @_;
	my @strays;

	poll_sub(
		'no process is left over',
		sub {
			my @pids = server_pids($t);
			my %shown = map { $_ => 1 } split /\n/, sql($t, 'SELECT pid FROM pg_stat_activity');

			# the backend of psql, and processes that have ended meanwhile
			@strays = grep { !$shown{$_} && $_ != $t->{node}->{_pid} && process_exists($_) } @pids;
			return !@strays;
		});
	return map { "process $_ is none of the server's" } @strays;
}

# Only the election of the scheduler is locked; no lock of a user is left.
sub stray_locks
{
	my ($t) = @_;
	my $left = q{FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
		WHERE locktype = 'advisory' AND NOT (backend_type = 'jadugar scheduler' AND objsubid = 19012)};

	return poll($t->{node}, "SELECT count(*) $left", '0') ? () : 'locks: ' . sql($t, "SELECT l.*, backend_type $left");
}

# Notes about running tasks, which the next server reads: shared/suspect.h.  The note of
# a process that sends requests has no task, and stays.
sub stray_notes
{
	my ($t) = @_;
	my $notes = slurp_file($t->{node}->data_dir . '/pg_stat_tmp/jadugar.running');
	my $length = 72;

	return 'the notes of running tasks have another layout' if length($notes) % $length != 0;
	return grep { /^note/ } map { my $n = substr($notes, $_ * $length, $length); substr($n, 68, 1) eq 'R' && unpack('x24 q', $n) ? 'note of task ' . unpack('x24 q', $n) : '' }
	  0 .. length($notes) / $length - 1;
}

# The log of the server since the start of the round: internal errors are ours.
sub log_lines
{
	my ($t) = @_;
	my @bad;

	foreach my $line (split /\n/, slurp_file($t->{node}->logfile, $t->{log_offset} // 0))
	{
		next if $line =~ /fault point/;
		# what an error of the fault point leads to
		next if $line =~ /could not settle/ && ($t->{fault} // '') =~ /^standalone-/;
		push @bad, "log: $line"
		  if $line =~ /WARNING:  more at a time than allowed| XX\d\d\d .*(?:ERROR|FATAL):|could not settle|was settled by somebody else|TRAP:|PANIC:/
		  && !($t->{disk} && $line =~ /File too large|pg_wal|checkpoint request failed/);
	}
	return @bad > 5 ? @bad[ 0 .. 4 ] : @bad;
}

# The tasks of a tenant have ended, so it may have as many again.  A number that is
# too high, after the end of a process, is counted again at times.
sub quota_is_free
{
	my ($t) = @_;

	return poll_sub(
		'the tenant may have as many tasks as its quota says',
		sub {
			return defined eval { sql($t, q{BEGIN; SELECT count(jadugar.enqueue('SELECT 1', tenant => 'bronze')) FROM generate_series(1, 30); ROLLBACK}) };
		});
}

# Compares the tables (prove.sql) with the ledger in torture.ledger.
sub prove_tables
{
	my ($t) = @_;
	my ($out, $err);

	$t->{node}->psql('postgres', slurp_file("$top/test/torture/prove.sql"), stdout => \$out, stderr => \$err, timeout => 120);
	my @lines = split /\n/, $out;
	my $summary = @lines && $lines[-1] =~ /^proven/ ? pop @lines : 'NOT PROVEN';
	push @lines, "proof: $err" if $err ne '' || $summary !~ /^proven/;
	$t->{summary} = $summary;
	return @lines;
}

# Compares the tables with what the service was sent.
sub prove_requests
{
	my ($t, $load) = @_;
	my $file = "$load->{dir}/requests";

	open(my $f, '>', $file) or die "$file: $!";
	foreach my $r ($t->{service}->requests)
	{
		my ($tag) = $r->{path} =~ /\btag=(r$load->{round}\.[^&]+)/ or next;

		print $f "$tag\t$r->{key}\t", strftime('%Y-%m-%d %H:%M:%S', gmtime($r->{time})), sprintf('%.6f+00', $r->{time} - int($r->{time})) =~ s/^0//r, "\n";
	}
	close($f);
	$t->{node}->safe_psql('postgres', "TRUNCATE torture.request;\n\\copy torture.request FROM '$file'\n");
	$t->{summary} .= '; ' . sql($t, 'SELECT torture.request_summary()');
	my $clock = $t->{jumped} ? 'NULL' : "'$t->{offset} s'";
	return split /\n/, sql($t, "SELECT what || ': ' || detail FROM (SELECT *, row_number() OVER (PARTITION BY what) AS n FROM torture.request_findings($clock)) f WHERE n <= 5");
}

sub prove
{
	my ($t, $load) = @_;
	my $file = "$load->{dir}/ledger";

	open(my $f, '>', $file) or die "$file: $!";
	print $f read_ledger($load);
	close($f);
	$t->{node}->safe_psql('postgres', "TRUNCATE torture.ledger;\n\\copy torture.ledger FROM '$file'\n");
	my @lines = (prove_tables($t), stray_processes($t), stray_locks($t), stray_notes($t), log_lines($t));
	$t->{summary} .= '; ' . sql($t, 'SELECT count(*) FROM jadugar_internal.flow_run') . ' runs of flows' if $t->{flows};
	# an operator cancels steps, and the clock jumps: runs may end in any way
	push @lines, split /\n/, sql($t, q{SELECT what || ': ' || detail FROM flowtest.findings() WHERE what <> 'end' LIMIT 10}) if $t->{flows};
	if ($t->{events})
	{
		$t->{summary} .= '; ' . sql($t, q{SELECT (SELECT count(*) FROM torture.published) || ' events, ' || (SELECT count(*) FROM torture.handled) || ' handled, '
			|| (SELECT count(*) FROM torture.parked) || ' dead, ' || (SELECT count(*) FROM torture.subscription WHERE upto IS NOT NULL) || ' replays'});
		push @lines, split /\n/, sql($t, q{SELECT what || ': ' || detail FROM (SELECT *, row_number() OVER (PARTITION BY what) AS n FROM torture.event_findings()) f WHERE n <= 5});
	}
	if ($t->{limits})
	{
		$t->{summary} .= '; ' . sql($t, q{SELECT (SELECT count(*) FROM torture.told) || ' messages, ' || (SELECT count(*) FROM torture.bounded) || ' starts under limits, tenants: ' || COALESCE(torture.tenant_summary(), 'none')});
		push @lines, split /\n/, sql($t, "SELECT what || ': ' || detail FROM (SELECT *, row_number() OVER (PARTITION BY what) AS n FROM torture.limit_findings("
				. ($t->{jumped} ? 'true' : 'false') . ')) f WHERE n <= 5');
		push @lines, 'a quota is not free' if !quota_is_free($t);
		$t->{summary} .= '; ' . sql($t, 'SELECT torture.guest_summary()');
		push @lines, split /\n/, sql($t, q{SELECT what || ': ' || detail FROM (SELECT *, row_number() OVER (PARTITION BY what) AS n FROM torture.tenant_findings()) f WHERE n <= 5});
	}
	push @lines, prove_requests($t, $load) if $t->{service};
	if ($t->{second})
	{
		my $n = sql($t, 'SELECT count(*) FROM effect', 'second');
		push @lines, "$n of $t->{second} in the second database" if $n != $t->{second};
	}
	return @lines;
}

# Deletes the proven rows for the next round.  Schedules continue, unless the round
# stops them.
sub forget
{
	my ($t, $rest) = @_;

	if ($t->{databases})
	{
		sql($t, "DROP DATABASE IF EXISTS $_") foreach qw(third second);
	}
	delete @$t{qw(databases second)};
	sql($t, q{
		BEGIN;
		TRUNCATE torture.effect, torture.tick, torture.noise, torture.retried, torture.ledger, torture.witness;
		UPDATE torture.pair SET n = 0;
		UPDATE torture.counter SET n = 0;
		DELETE FROM jadugar_internal.attempt;
		DELETE FROM jadugar_internal.log;
		DELETE FROM torture.baseline;
		INSERT INTO torture.baseline SELECT s.schedule_id, s.next_run_at, s.runs, s.missed, COALESCE(t.completed, 0), COALESCE(t.failures, 0)
		FROM jadugar_internal.schedule s LEFT JOIN jadugar_internal.schedule_stat t USING (schedule_id);
		COMMIT;
	} . ($rest ? '' : 'SELECT jadugar.resume_schedule(name, owner => owner) FROM jadugar.schedules WHERE paused'));
	sql($t, 'CALL flowtest.forget()') if $t->{flows};
	sql($t, 'SELECT torture.forget_events()') if $t->{events};
	sql($t, 'SELECT torture.forget_limits(), torture.forget_guests()') if $t->{limits};
	return;
}

1;
