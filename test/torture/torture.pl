# The crash machine.  In each round, producers enqueue tasks of every kind and
# publish events, a failure occurs, the server is repaired, all work ends, and the
# tables have to prove that nothing was lost or doubled and nothing is stuck.
#
# Environment: MINUTES (10) or ROUNDS, SEED (printed), EVENTS (names of Kill.pm;
# all of them), POINTS (a pattern of fault points), KEEP (continue after a round that
# failed); STARTS (does starts.pl instead).  See README.md.
use strict;
use warnings;

use HttpServer;
use JadugarTest;
use Kill;
use List::Util qw(shuffle);
use Load;
use PostgreSQL::Test::Utils;
use Prove;
use Tenants;
use Test::More;
use Time::HiRes qw(time usleep);

if ($ENV{STARTS})
{
	require("$top/test/torture/starts.pl");
	exit(0);
}
my $rounds = $ENV{ROUNDS} || 0;
my $minutes = $ENV{MINUTES} || ($rounds ? 0 : 10);
my $seed = $ENV{SEED} || int(rand(1_000_000));
my @events = split ' ', $ENV{EVENTS} || join(' ', events());
my $begun = time();

$deadline = 60;
srand($seed);
diag("torture: SEED=$seed " . ($rounds ? "ROUNDS=$rounds" : "MINUTES=$minutes") . ", events: @events");

my $dir = "$PostgreSQL::Test::Utils::tmp_check/torture";
mkdir($dir);
my %t = (offset => 0, changed => {}, retired => [], flows => 1, events => 1, limits => 1, service => HttpServer->new($dir));
my $standbys = 0;

# each of them once, then at random
$t{points} = [ shuffle(fault_points($ENV{POINTS})) ];
$t{node} = new_cluster('main', -faults => 1, -streaming => 1,
	'jadugar.max_workers' => 6,
	'jadugar.max_crashes' => 1000,
	'jadugar.history_retention' => '10000d',
	'jadugar.http_allow_addresses' => '127.0.0.1/32',
	'jadugar.http_max_transfers' => 32,
	shared_buffers => '16MB',
	min_wal_size => '32MB',
	max_wal_size => '64MB',
	deadlock_timeout => '50ms',
	autovacuum_naptime => '2s',
	log_min_messages => 'warning',
	log_line_prefix => '%m %b[%p] %e %q%a ',
	include_if_exists => 'torture.conf');
$t{announce} = sub {
	open(my $f, '>', "$dir/connstr.new") or die "connstr: $!";
	print $f $t{node}->connstr;
	close($f);
	rename("$dir/connstr.new", "$dir/connstr");
};
$t{announce}->();
$t{node}->psql('postgres', slurp_file("$top/test/torture/$_.sql"), on_error_die => 1) foreach qw(setup flows events limits tenants);
$t{node}->psql('postgres', "\\set url http://127.0.0.1:$t{service}{port}\n" . slurp_file("$top/test/torture/requests.sql"), on_error_die => 1);
$t{node}->safe_psql('postgres', "SET SESSION AUTHORIZATION $_; SET transaction_read_only = off; SELECT flowtest.children()") foreach qw(alice bob carol);
come_to_rest(\%t);
forget(\%t);

# A standby that has all acknowledged transactions.
sub make_standby
{
	my $name = 'standby' . ++$standbys;

	$t{standby} = new_standby($name, $t{node}, -faults => 1);
	system('rm', '-rf', $_->data_dir, $_->backup_dir) foreach splice(@{ $t{retired} });
	change(\%t, synchronous_standby_names => '*');
	poll($t{node}, q(SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'), '1');
	return;
}

# Files to look at when a round has failed.
sub show_state
{
	foreach my $sql ('SELECT * FROM jadugar_internal.task LIMIT 20', 'SELECT * FROM jadugar_internal.dependency LIMIT 20',
		'SELECT * FROM jadugar_internal.flow_run WHERE finished_at IS NULL LIMIT 5', 'SELECT * FROM jadugar_internal.flow_message LIMIT 20', 'SELECT * FROM jadugar.check_flows()',
		'SELECT * FROM torture.parked LIMIT 20', 'SELECT * FROM jadugar.limits', 'SELECT * FROM jadugar.tenants', 'SELECT * FROM jadugar.actors', 'SELECT * FROM jadugar_internal.event_cursor', 'SELECT * FROM jadugar.subscription_shards',
		'SELECT * FROM jadugar.endpoints', 'SELECT * FROM torture.request', 'SELECT * FROM jadugar.workers', 'SELECT jadugar_internal._v_now(), * FROM jadugar.health',
		q(SELECT pid, backend_type, usename, state, wait_event_type, wait_event, left(query, 60) FROM pg_stat_activity),
		'SELECT * FROM pg_locks WHERE NOT granted', 'SELECT * FROM pg_prepared_xacts')
	{
		my ($out, $err) = ('', '');

		eval { $t{node}->psql('postgres', $sql, stdout => \$out, stderr => \$err, timeout => 30) };
		diag("$sql:\n$out$err");
	}
	return;
}

# Short limits, because a round takes a few seconds.
sub torture
{
	my ($round, $main) = @_;
	my @what;
	my @minor = qw(crash terminate cancel freeze jump settings pools);

	# a commit that is cancelled during its wait for the standby is on the primary only
	@minor = qw(crash freeze jump settings) if $main eq 'promote';
	@minor = grep { my $e = $_; grep { $_ eq $e } @events } @minor;
	make_standby() if $main eq 'promote';
	$t{log_offset} = log_offset($t{node});
	$t{disk} = $main eq 'fill_disk';
	$t{jumped} = 0;
	my $load = start_load($dir, $round, $seed, "$dir/connstr", more => [ tenant_load() ],
		statement_timeout => $main eq 'promote' ? 0 : 5000);
	usleep(200_000 + rand(800_000));    # waits-for-time: a random moment
	push @what, happen(\%t, $main);
	for (1 .. int(rand(4)))
	{
		usleep(rand(300_000));    # waits-for-time: the same
		last if !@minor;
		push @what, happen(\%t, $minor[ rand @minor ]);
	}
	usleep(rand(300_000));    # waits-for-time: the same
	if (!bring_back(\%t))
	{
		stop_load($load);
		return ([@what], 'the server did not come back');
	}
	usleep(200_000 + rand(300_000));    # waits-for-time: some load for the repaired server
	stop_load($load);
	bring_back(\%t) or return ([@what], 'the server did not come back');
	my $before = time();
	come_to_rest(\%t, $load) or return ([@what], 'it did not come to rest');
	push @what, sprintf('quiet after %.1f s', time() - $before);
	return ([@what], prove(\%t, $load));
}

my @deck;
for (my $round = 1; !$rounds || $round <= $rounds; $round++)
{
	last if $minutes && time() - $begun > $minutes * 60;
	@deck = shuffle(@events) if !@deck;
	my $main = shift @deck;
	my ($what, @problems) = torture($round, $main);

	diag(sprintf('%4d s  round %d: %s', time() - $begun, $round, join('; ', @$what)));
	diag('        ' . ($t{summary} // ''));
	ok(!@problems, "round $round: $main") and do { forget(\%t); next; };
	diag("  $_") foreach @problems;
	diag("repeat with SEED=$seed; fault: " . ($t{fault} // 'none'));
	show_state();
	last if !$ENV{KEEP};
	system('cp', '-r', $dir, "$dir.failed.$round");
	forget(\%t);
}
$t{node}->stop('fast', fail_ok => 1);
$t{service}->stop;
done_testing();
