# examples/actor and examples/sync run as their READMEs describe: a cart stops and
# goes on; two databases converge after cuts and repetitions, with each resolver.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', 'jadugar.max_workers' => 6);

sub run_example
{
	my ($file, @options) = @_;
	my ($out, $err) = run_command([ 'psql', '-X', '-d', $node->connstr('postgres'), @options, '-f', "$top/examples/$file" ]);

	is($err, '', "$file @options: no error");
	return $out;
}

my $out = run_example('actor/run.sql');
like($out, qr/completed \| \{"reply": \{"ordered": \{"pear": 20, "rare": 1, "apple": 20\}\}\}/, 'an order is completed');
like($out, qr/failed \| new row for relation "stock" violates check constraint/, 'an order fails');
like($out, qr/pending \| concurrency_key/, 'its cart stops');
like($out, qr/cart  \|    1 \|       1 \|       1/, 'the view shows it');
like($out, qr/apple \|    55 \|      45\n pear  \|    55 \|      45\n rare  \|     0 \|       2/, 'the books balance after the retry');
like(run_example('actor/run.sql'), qr/rare  \|     0 \|       2/, 'it runs again');
run_example('actor/cleanup.sql');
is($node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.actors}), '0', 'nothing is left');

foreach my $resolver ('last_write_wins', 'longer_body')
{
	my $found = run_example('sync/run.sql', '-v', "resolver=$resolver");

	my ($notes, $equal, $both) = $found =~ /changed by both \n[-+]+\n +(\d+) \| +(\d+) \| +(\d+)/;
	cmp_ok($notes, '>', 30, "$resolver: there are rows");
	is($equal, $notes, "$resolver: all are equal in both databases");
	cmp_ok($both, '>', 30, "$resolver: both have changed them");
	is($node->safe_psql('sync_east', q{SELECT count(*) > 0 FROM jadugar.history WHERE status = 'failed' AND sqlstate LIKE '08%'}), 't', "$resolver: there were cuts");
	is($node->safe_psql('sync_east', q{SELECT count(*) FROM jadugar.failures}), '0', "$resolver: no change was lost");
}
run_example('sync/cleanup.sql');

done_testing();
