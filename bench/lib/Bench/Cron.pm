# Bench::Cron: pg_cron in a separate database.  pg_cron wakes up every second
# while it is loaded, so the server loads it only for measures of pg_cron.
package Bench::Cron;

use strict;
use warnings;

our $db = 'cron';

sub new
{
	my ($class, $run) = @_;
	my $server = $run->{server};

	$server->start('jadugar', 'pg_cron');
	$server->admin("CREATE DATABASE $db") if $server->admin("SELECT count(*) FROM pg_database WHERE datname = '$db'") eq '0';
	my $session = $server->session($db, 'postgres');
	$session->query('CREATE EXTENSION IF NOT EXISTS pg_cron');
	return bless { run => $run, server => $server, session => $session }, $class;
}

# schedules(FROM, TO, TIMING): create jobs FROM to TO, which run SELECT 1.
sub schedules
{
	my ($self, $from, $to, $timing) = @_;

	$self->{session}->query(
		"SELECT count(cron.schedule('s' || i, '$timing', 'SELECT 1')) FROM generate_series($from, $to) i");
	return;
}

# Return the pid of pg_cron's launcher.
sub launcher
{
	my ($self) = @_;

	return $self->{session}->query(
		q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_cron launcher'});
}

# Drop all jobs, and restart the server without pg_cron.
sub remove
{
	my ($self) = @_;

	$self->{session}->query('TRUNCATE cron.job, cron.job_run_details');
	$self->{session}->close;
	$self->{server}->start('jadugar');
	return;
}

1;
