# At each fault point of src/flow, a session, a worker or the scheduler fails while
# flows of every kind run.  Afterwards each run has ended correctly, and every
# effect exists once: test/torture/flows.sql.  033_faults.pl has the other points.
#
# Environment: JADUGAR_POINT (regex), some of them.
use strict;
use warnings;

use JadugarTest;
use Kill;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = new_cluster('main', -faults => 1,
	'jadugar.max_workers' => 3,
	'jadugar.max_crashes' => 1000,
	shared_buffers => '16MB',
	log_min_messages => 'warning',
	include_if_exists => 'torture.conf');
my %t = (node => $node, offset => 0, changed => {});
my $n = 0;

$deadline = 60;
create_extension($node);
$node->safe_psql('postgres', slurp_file("$top/test/torture/flows.sql"));
$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	SELECT jadugar.grant_access('app');
	SET SESSION AUTHORIZATION app;
	SELECT flowtest.children()});

# Flows of all kinds, in four transactions.  This session may be the one that
# fails, and the server may go down meanwhile.
sub load
{
	my ($tag, $fault) = @_;

	return defined eval {
		$node->psql('postgres', qq{
			SET jadugar.fault = '$fault';
			SET SESSION AUTHORIZATION app;
			CALL flowtest.load('$tag.', 1, 34, 8)},
			on_error_die => 1, stderr => \my $err);
		1;
	};
}

# The process that reaches the fault point: settings of the role are for workers,
# those of the server for the scheduler.
my %drive = (
	session => sub { return ('', '') },
	worker => sub { my ($what) = @_; return ($what, '') },
	scheduler => sub { my ($what) = @_; return ('', $what) });

my @points = (
	[ 'flow-step-starts', qw(session worker scheduler) ],
	[ 'flow-tasks-written', qw(session worker scheduler) ],
	[ 'flow-steps-written', qw(session worker scheduler) ],
	[ 'flow-runs-written', qw(session worker scheduler) ],
	[ 'flow-told', qw(session worker scheduler) ],
	[ 'flow-locked', qw(worker) ],
	[ 'flow-served', qw(scheduler) ],
	[ 'flow-run-ends', qw(worker scheduler) ],
	[ 'flow-task-ended', qw(scheduler) ],
	[ 'flow-message-sent', qw(session worker scheduler) ],
	[ 'flow-wait-started', qw(session worker scheduler) ],
	[ 'flow-wait-telling', qw(session worker scheduler) ],
	[ 'flow-events-sent', qw(scheduler) ],
	[ 'flow-events-committed', qw(scheduler) ]);
if ($ENV{JADUGAR_POINT})
{
	@points = grep { $_->[0] =~ /$ENV{JADUGAR_POINT}/ } @points;
}
else
{
	is(join(' ', sort map { $_->[0] } @points),
		join(' ', grep { /^flow-/ } fault_points()),
		'every fault point of flows is tested');
}

sub hit
{
	return -e $node->data_dir . '/jadugar_fault.1';
}

# Starts new workers, which read the settings of the role.
sub arm
{
	my ($worker, $server) = @_;

	$node->safe_psql('postgres', "ALTER ROLE app SET jadugar.fault = '$worker'");
	foreach my $pid (jadugar_processes($node, 'worker'))
	{
		kill_process($pid, 'TERM') and wait_for_exit($pid);
	}
	unlink(glob($node->data_dir . '/jadugar_fault.*'));
	change(\%t, 'jadugar.fault' => $server eq '' ? undef : $server);
	return;
}

sub fail_at
{
	my ($point, $drive, $action) = @_;
	my $what = "$point:$action";
	my $offset = log_offset($node);
	my ($worker, $server) = $drive{$drive}->($what);
	my $fault = $drive eq 'session' ? $what : '';
	my @tags;

	arm($worker, $server);
	# the scheduler may not have read the setting yet
	poll_sub("$what is hit", sub {
		push @tags, 'w' . ++$n;
		load($tags[-1], $fault);
		for (1 .. 20)
		{
			return 1 if hit();
			usleep(20_000);    # waits-for-time: between looks, in a loop with a deadline
		}
		return 0;
	});
	if ($action eq 'kill9')
	{
		wait_for_log($node, qr/all server processes terminated; reinitializing/, $offset);
	}
	poll($node, 'SELECT true');
	change(\%t, 'jadugar.fault' => undef);
	# the scheduler retries failed messages a minute later
	if ($drive eq 'scheduler' && $action eq 'error')
	{
		change(\%t, 'jadugar.clock_offset' => $t{offset} += 120);
	}
	foreach my $tag (@tags, 'w' . ++$n)
	{
		poll_sub("$tag is started", sub { return load($tag, '') });
	}
	my $rested = poll($node, 'SELECT count(*) FROM flowtest.unfinished', '0')
	  && poll($node, 'SELECT count(*) FROM jadugar_internal.task', '0');
	is($node->safe_psql('postgres', 'SELECT * FROM flowtest.findings() LIMIT 10'),
		'', "$what in a $drive: every run has ended as expected, every effect exists once");
	$node->safe_psql('postgres', 'CALL flowtest.forget()') if $rested;
	return;
}

foreach my $p (@points)
{
	my ($point, @drives) = @$p;

	# after its commit, a transaction cannot fail
	my @actions = $point eq 'flow-wait-telling' ? qw(kill9) : qw(kill9 error);

	foreach my $drive (@drives)
	{
		fail_at($point, $drive, $_) foreach @actions;
	}
}

unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:/, 'no process panicked');
$node->stop;
done_testing();
