# Tenants: tenants that come and go during the load (tenants.sql).
#
# tenant_load() returns processes of the load: visitors, who make work for guests, and
# one that drops guests, sometimes several at a time, and is killed.  drop_guests(T)
# drops those that are left; first it looks whether all of their rows are there.
package Tenants;

use strict;
use warnings;

use Exporter qw(import);
use JadugarTest;
use Load;
use Time::HiRes qw(usleep);

our @EXPORT = qw(tenant_load drop_guests);

# Few, so that names are used again.
my @names = map { "guest $_" } 1 .. 4;

sub visit
{
	my ($o) = @_;

	for (my $n = 0; !-e $o->{stop}; $n++)
	{
		my $name = pick(@names);
		my $again = chance(0.3) ? 'true' : 'false';
		my $end = chance(0.94) ? 'COMMIT' : chance(0.6) ? 'ROLLBACK' : "PREPARE TRANSACTION '$o->{id}.$n';\n" . pick('SELECT 1', "COMMIT PREPARED '$o->{id}.$n'");
		# waits-for-time: for a drop to meet what is not committed yet
		my $seconds = chance(0.3) ? rand(0.5) : 0;

		run_psql($o, pick(qw(alice bob carol)), "SET default_transaction_read_only = off;\n"
			  . (chance(0.5) ? "SELECT torture.open_guest('$name');\n" : '')
			  . "BEGIN ISOLATION LEVEL READ COMMITTED;\nSELECT torture.visit('$name', $again, $seconds);\n$end;\n", '/dev/null');
		usleep(rand(60_000));    # waits-for-time: leaves the processor to the workers
	}
	return;
}

# What an operator does to drop the guest of \gset.
my $drop = "CALL jadugar.drop_tenant(:'name');\nSELECT torture.has_left(:tenant_id);\n";

sub see_off
{
	my ($o) = @_;

	until (-e $o->{stop})
	{
		my $script = "SET default_transaction_isolation = 'read committed';\n"
		  . "SELECT *, tenant_id IS NOT NULL AS found FROM torture.leaving() \\gset\n\\if :found\n$drop"
		  . (chance(0.5) ? "SELECT torture.open_guest(:'name');\n" : '') . "\\endif\n";

		$script = "SELECT torture.steer_guest('" . pick(@names) . "');\n" if chance(0.5);
		run_psql($o, 'dora', $script, '/dev/null', chance(0.3) ? 0.02 + rand(0.3) : 0);
		usleep(rand(300_000));    # waits-for-time: for visits
	}
	return;
}

sub tenant_load
{
	return (\&visit, \&visit, \&see_off, \&see_off);
}

# Returns false if a drop does not come to its end.
sub drop_guests
{
	my ($t) = @_;
	my $node = $t->{node};

	$node->safe_psql('postgres', 'INSERT INTO torture.witness SELECT * FROM torture.missing_of_guests() LIMIT 20');
	return poll_sub(
		'all guests are dropped',
		sub {
			my $rows = eval { $node->safe_psql('postgres', q{SELECT tenant_id || ' ' || name FROM jadugar_internal.tenant WHERE name LIKE 'guest%'}) } // return 0;

			foreach (split /\n/, $rows)
			{
				my ($id, $name) = split / /, $_, 2;

				eval { $node->psql('postgres', "\\set name '$name'\n\\set tenant_id $id\n$drop", extra_params => [ '-U', 'dora' ], on_error_stop => 1, stderr => \my $err, timeout => $deadline) };
			}
			return $rows eq '';
		});
}

1;
