# A thousand flows of every kind, started in several sessions by a role with level
# user, while processes are killed at random moments: every run ends, every step
# and every compensation of a failed run takes effect once.  The flows and the
# proof are in test/torture/flows.sql.
#
# Environment: JADUGAR_ROUNDS (8), JADUGAR_SEED (printed at the start).
use strict;
use warnings;

use IPC::Run;
use JadugarTest;
use List::Util qw(shuffle);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $rounds = $ENV{JADUGAR_ROUNDS} // 8;
my $seed = $ENV{JADUGAR_SEED} // int(rand(1_000_000));
my $flows = 1000;
my $sessions = 3;

srand($seed);
note("JADUGAR_SEED=$seed JADUGAR_ROUNDS=$rounds");

# The steps do not cause these kills, so they must not fail because of them.
my $node = new_cluster('main',
	'jadugar.max_workers' => 4, 'jadugar.max_crashes' => 1000);
create_extension($node);
$node->safe_psql('postgres', slurp_file("$top/test/torture/flows.sql"));
$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	SELECT jadugar.grant_access('app')});
$node->safe_psql('postgres', 'SELECT flowtest.children()', extra_params => [ '-U', 'app' ]);

# Sessions that start flows FIRST to LAST, divided among them.
sub begin_load
{
	my ($first, $last) = @_;
	my $connstr = $node->connstr('postgres') . ' user=app';

	return map {
		my $session = { out => '' };

		$session->{run} = IPC::Run::start(
			[ 'psql', '-X', '-q', '-d', $connstr, '-c', "CALL flowtest.load('s$_.', $first, $last)" ],
			'<', '/dev/null', '>&', \$session->{out});
		$session;
	} 1 .. $sessions;
}

# Flows whose session was killed with the server are started again.
sub end_load
{
	my ($first, $last, @load) = @_;

	for (1 .. 5)
	{
		my @bad = grep { !IPC::Run::finish($_->{run}) } @load;

		return 1 if !@bad;
		foreach (@bad)
		{
			diag($_->{out}) if $_->{out} !~ /server closed|terminat|crash|could not connect|connection to server|starting up|shutting down|recovery/;
		}
		@load = begin_load($first, $last);
	}
	return 0;
}

sub check
{
	my ($what) = @_;

	is($node->safe_psql('postgres', 'SELECT * FROM jadugar.check_flows()'), '', "$what: check_flows() is empty");
	return;
}

my @victims =
  shuffle((qw(worker scheduler launcher postmaster)) x int(($rounds + 3) / 4));
my %killed;
my $each = int($flows / $rounds / $sessions) + 1;

for my $round (1 .. $rounds)
{
	my ($first, $last) = (($round - 1) * $each + 1, $round * $each);
	my @load = begin_load($first, $last);
	my $victim = $victims[ $round - 1 ];
	my $offset = log_offset($node);
	my $delay = int(rand(600_000));

	usleep($delay);    # waits-for-time: a random moment
	check("round $round");
	note("round $round: $victim after $delay us");
	my $pid = $victim eq 'postmaster' ? undef : wait_for_process($node, $victim);
	if ($victim eq 'postmaster')
	{
		kill_postmaster($node);
	}
	elsif (!kill_process($pid, 'KILL'))
	{
		# A worker that had just exited.
		undef $victim;
	}
	if ($victim)
	{
		$killed{$victim}++;
		wait_for_restart($node, $victim, $offset);
		check("round $round, after the kill");
	}
	ok(end_load($first, $last, @load), "round $round: all are started");
}
note(join(', ', map { "$_ killed $killed{$_} times" } sort keys %killed));

poll($node, 'SELECT count(*) FROM flowtest.unfinished', '0');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM flowtest.started'),
	'>=', $flows, 'all runs were started');
is($node->safe_psql('postgres', 'SELECT * FROM flowtest.findings() LIMIT 20'),
	'', 'every run has ended as expected, every effect exists once');
is($node->safe_psql('postgres', q{
		SELECT count(*) FROM jadugar.flow_runs WHERE owner <> 'app'}), '0', 'all runs belong to one user');
note($node->safe_psql('postgres', q{
	SELECT (SELECT count(*) FROM jadugar_internal.flow_step) || ' steps, ' || (SELECT count(*) FROM flowtest.effect WHERE NOT undo) || ' effects, '
		|| (SELECT count(*) FROM flowtest.effect WHERE undo) || ' compensations, '
		|| (SELECT count(*) FROM jadugar.history WHERE status = 'lost') || ' lost attempts'}));
unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:|could not advance flow run/, 'no process panicked, no run was abandoned');
$node->stop;
done_testing();
