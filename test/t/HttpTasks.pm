# HTTP tasks for tests: functions that enqueue one and wait for its end.
package HttpTasks;

use strict;
use warnings;

use Exporter qw(import);
use JadugarTest;

our @EXPORT = qw(create_endpoint send_request wait_ended attempts ends_of);

# create_endpoint(NODE, NAME, OPTION => VALUE...): one without a breaker
sub create_endpoint
{
	my ($node, $name, %options) = @_;

	%options = (breaker => 'off', %options);
	my $list = join ', ', map { "$_ '" . $options{$_} =~ s/'/''/gr . "'" } sort keys %options;
	return $node->safe_psql('postgres', "CREATE SERVER $name FOREIGN DATA WRAPPER jadugar_http OPTIONS ($list)");
}

# send_request(NODE, ENDPOINT, PATH [, ROLE [, ARGUMENTS]]): enqueues a request with two
# attempts; ARGUMENTS are more of jadugar.call_service().  Returns the id of the task.
sub send_request
{
	my ($node, $endpoint, $path, $role, $arguments) = @_;

	$role //= 'postgres';
	$arguments = defined $arguments ? ", $arguments" : '';
	return $node->safe_psql('postgres', "SET ROLE $role; SELECT jadugar.call_service('$endpoint', '$path', retries => 2 $arguments)");
}

# Waits for the end of a task.
sub wait_ended
{
	my ($node, $id) = @_;

	return poll($node, "SELECT count(*) FROM jadugar.tasks WHERE task_id = $id", '0');
}

# attempts(NODE, ID, EXPRESSION): waits for the end of a task, and returns what the
# expression is for each of its attempts.
sub attempts
{
	my ($node, $id, $what) = @_;

	wait_ended($node, $id);
	return $node->safe_psql('postgres', "SELECT string_agg($what, ' ' ORDER BY attempt_id) FROM jadugar.history WHERE task_id = $id");
}

# The same for a request that is sent for that: status and code or HTTP status.
sub ends_of
{
	my ($node, $endpoint, $path, $role, $arguments) = @_;

	return attempts($node, send_request($node, $endpoint, $path, $role, $arguments),
		q{status || ':' || coalesce(error ->> 'code', result ->> 'status')});
}

1;
