#!/usr/bin/perl
# mail_dkim.pl - the ARC verifier and sealer of Mail::DKIM, with keys from a file instead of DNS.
#   mail_dkim.pl KEYS verify                                     < message   prints the result
#   mail_dkim.pl KEYS seal KEYFILE DOMAIN SELECTOR ID CHAIN TIME  < message   prints the sealed message
# KEYS: lines "NAME TEXT" of TXT records.
use strict;
use warnings;
use Mail::DKIM;
use Mail::DKIM::ARC::Signer;
use Mail::DKIM::ARC::Verifier;
use Net::DNS;

my ($keys, $what, @rest) = @ARGV;
my %txt;
open my $f, '<', $keys or die "$keys: $!";
while (<$f>) { chomp; my ($name, $text) = split / /, $_, 2; $txt{lc $name} = $text; }
close $f;
{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = sub {
        my ($name, $type) = @_;
        my $text = $txt{lc $name};
        unless ($type eq 'TXT' && defined $text) { $@ = 'NXDOMAIN'; return; }
        my @parts = $text =~ /(.{1,255})/g;
        return Net::DNS::RR->new(owner => $name, type => 'TXT', txtdata => \@parts);
    };
}
binmode STDIN;
binmode STDOUT;
my $message = do { local $/; <STDIN> };
if ($what eq 'verify') {
    my $v = Mail::DKIM::ARC::Verifier->new();
    $v->PRINT($message);
    $v->CLOSE;
    print $v->result, ' ', $v->result_detail, "\n";
} else {
    my ($file, $domain, $selector, $id, $chain, $time) = @rest;
    my $s = Mail::DKIM::ARC::Signer->new(Algorithm => 'rsa-sha256', Chain => $chain, Domain => $domain, SrvId => $id,
        Selector => $selector, KeyFile => $file, Timestamp => $time, Headers => 'From:To:Subject:Date:Message-ID');
    $s->PRINT($message);
    $s->CLOSE;
    my $set = join '', map { s/\r?\n/\r\n/gr . "\r\n" } reverse $s->as_strings;
    die 'not sealed: ' . ($s->{details} // '') unless $set =~ /ARC-Seal/i;
    print $set, $message;
}
