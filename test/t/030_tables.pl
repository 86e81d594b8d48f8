# What an administrator may do to our tables: add columns, drop them again,
# drop a partition of the history.
use strict;
use warnings;

use JadugarTest;
use Test::More;

my $node = new_cluster('main');

# One more task is enqueued and completes.
sub runs
{
	my ($after) = @_;

	my $id = $node->safe_psql('postgres', "SELECT jadugar.enqueue('SELECT 1')");
	ok( poll(
			$node,
			"SELECT status FROM jadugar.history WHERE task_id = $id",
			'completed'),
		"$after: a task runs");
	return;
}

$node->safe_psql('postgres', 'CREATE EXTENSION jadugar');
runs('untouched');

foreach my $table ('task', 'run')
{
	$node->safe_psql('postgres', "ALTER TABLE jadugar.$table ADD COLUMN more integer");
	runs("$table with a column more");
	$node->safe_psql('postgres', "ALTER TABLE jadugar.$table DROP COLUMN more");
	runs("$table without it");
}

poll($node, 'SELECT count(*) FROM jadugar.task', 0);
$node->safe_psql('postgres', 'ALTER TABLE jadugar.task ADD COLUMN more integer NOT NULL');
like(
	psql_error($node, q{SELECT jadugar.enqueue('SELECT 1')}),
	qr/column "more" of relation "task" is not jadugar's and must not be NOT NULL/,
	'a column that must not be null is refused');
$node->safe_psql('postgres', 'ALTER TABLE jadugar.task DROP COLUMN more');

my $drop = $node->safe_psql('postgres',
	q{SELECT format('ALTER EXTENSION jadugar DROP TABLE %1$s; DROP TABLE %1$s;', inhrelid::regclass)
		FROM pg_inherits WHERE inhparent = 'jadugar.run'::regclass});
$node->safe_psql('postgres', $drop);
runs('its partitions dropped');

$node->stop;
done_testing();
