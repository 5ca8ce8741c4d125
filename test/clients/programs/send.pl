# SPDX-License-Identifier: Apache-2.0
# Perl's Net::SMTP, and Email::Sender with Email::MIME: what all programs here send, see send_test.go.
use strict;
use warnings;
use utf8;
use Net::SMTP;
use Email::MIME;
use Email::Sender::Simple qw(sendmail);
use Email::Sender::Transport::SMTP;

sub slurp { open(my $f, $_[1], $_[0]) or die; local $/; return <$f>; }

my %tls = (SSL_ca_file => $ENV{CA});
my $s = Net::SMTP->new($ENV{HOST}, Port => $ENV{PORT}, Hello => "client.example") or die "connect";
$s->starttls(%tls) or die "starttls: " . $s->message;
$s->auth($ENV{APIKEY}, $ENV{SECRET}) or die "auth: " . $s->message;

sub hand {
    my ($raw, @to) = @_;
    $s->mail('a@example.com') or return 0;
    for my $to (@to) { $s->to($to) or return 0; }
    return $s->data($raw);
}
hand($ENV{RAWPLAIN}, 'perl-1@example.net') or die $s->message;
hand(slurp($ENV{RAW}, "<:raw"), map { "perl-$_\@example.net" } 2 .. 4) or die $s->message;
print hand($ENV{RAWPLAIN}, 'perl-first@example.net', 'bad..address@@example.net')
    ? "a bad address was taken\n" : "refused as it should be\n";
$s->reset or die $s->message;
hand($ENV{RAWPLAIN}, 'perl-after@example.net') or die $s->message;
$s->quit;

my $transport = Email::Sender::Transport::SMTP->new(
    { host => $ENV{HOST}, port => $ENV{PORT},
      ssl => 'starttls', ssl_options => \%tls, sasl_username => $ENV{APIKEY}, sasl_password => $ENV{SECRET} });
my $mime = Email::MIME->create(
    header_str => [From => 'Jürgen <a@example.com>', To => 'sender-2@example.net', Subject => 'Grüße von sender'],
    attributes => { content_type => 'multipart/mixed' },
    parts => [
        Email::MIME->create(attributes => { content_type => 'text/plain', charset => 'UTF-8', encoding => '8bit' },
            body_str => slurp($ENV{TEXT}, "<:encoding(UTF-8)")),
        Email::MIME->create(attributes => { content_type => 'application/octet-stream', name => 'a.bin', encoding => 'base64' },
            body => slurp($ENV{ATTACHMENT}, "<:raw")),
    ]);
sendmail($mime, { from => 'a@example.com', to => [map { "sender-$_\@example.net" } 2 .. 4], transport => $transport });
