# reassign_owned() and drop_owned() of very many objects need no more memory than
# of few.
use strict;
use warnings;

use JadugarTest;
use Test::More;

my $n = 60_000;
my $node = new_cluster('main', shared_buffers => '4MB', 'jadugar.enabled' => 'off');
create_extension($node);
$node->safe_psql('postgres', q{CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; SELECT jadugar.grant_access(r) FROM unnest('{alice, bob}'::text[]) r});

# The peak of a session that runs the statement, in kB
sub peak_of
{
	my ($statement) = @_;
	my @lines = split /\n/, $node->safe_psql('postgres', qq{
		$statement;
		SELECT substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\\s+(\\d+)')});

	return @lines;
}

plan skip_all => 'no /proc' if !-e '/proc/self/status';
my (undef, $few) = peak_of(q{SELECT count(*) FROM jadugar.reassign_owned('alice', 'bob')});
$node->safe_psql('postgres', qq{SELECT count(*) FROM jadugar.enqueue_batch('SELECT 1', array_fill('{}'::jsonb, '{$n}'), owner => 'alice')});
my ($moved, $many) = peak_of(q{SELECT count(*) FROM jadugar.reassign_owned('alice', 'bob', '{tasks}')});
is($moved, $n, 'all tasks have moved');
cmp_ok($many - $few, '<', 16 * 1024, "reassign_owned: memory in kB ($many after $few)");
$node->stop;
done_testing();
