# Certificates for tests of TLS, made by openssl in a directory.
#
#   my $ca = Certificates->new($dir, 'ca');
#   my ($certificate, $key) = $ca->issue('server', names => 'DNS:localhost');
#   $ca->{certificate}
#
# All of these are names of files in PEM format.
package Certificates;

use strict;
use warnings;

use PostgreSQL::Test::Utils;

sub openssl
{
	my (@args) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'openssl', @args ], '<', \undef, '>', \$out, '2>', \$err) or die "openssl @args: $err";
	return;
}

# new(DIRECTORY, NAME): an authority
sub new
{
	my ($class, $dir, $name) = @_;
	my $self = { dir => $dir, name => $name, certificate => "$dir/$name.crt", key => "$dir/$name.key" };

	openssl(qw(req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 2 -subj), "/CN=$name",
		'-keyout', $self->{key}, '-out', $self->{certificate});
	append_to_file("$dir/$name.conf", qq{
[ca]
default_ca = only
[only]
database = $dir/$name.index
new_certs_dir = $dir
serial = $dir/$name.serial
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
});
	append_to_file("$dir/$name.index", '');
	append_to_file("$dir/$name.serial", "01\n");
	return bless $self, $class;
}

# issue(NAME, names =>, from =>, to =>): certificate and key; the alternative names, and
# the times between which it is valid, as in 20200101000000Z
sub issue
{
	my ($self, $name, %of) = @_;
	my $base = "$self->{dir}/$name";

	openssl(qw(req -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj), "/CN=$name",
		'-keyout', "$base.key", '-out', "$base.csr");
	append_to_file("$base.ext", $of{names} ? "subjectAltName = $of{names}\n" : "basicConstraints = CA:FALSE\n");
	openssl('ca', '-batch', '-notext', '-config', "$self->{dir}/$self->{name}.conf", '-cert', $self->{certificate},
		'-keyfile', $self->{key}, '-in', "$base.csr", '-out', "$base.crt", '-extfile', "$base.ext",
		$of{to} ? ('-startdate', $of{from}, '-enddate', $of{to}) : ('-days', 2));
	return ("$base.crt", "$base.key");
}

1;
