#!/usr/bin/perl
# dkim_oracle.pl - verdicts of Mail::DKIM for dkim_oracles.t: messages on standard input, each "SIZE\n" and its octets; one
# line each on standard output: "nn=result" for every signature it lists (nn is a tag of its own), then "arc=result".
# usage: dkim_oracle.pl ZONE-FILE     zone: "NAME<TAB>TXT" lines
use strict;
use warnings;
use Mail::DKIM::Verifier;
use Mail::DKIM::ARC::Verifier;

my %zone;
open(my $z, '<', $ARGV[0]) or die "$ARGV[0]: $!\n";
while (<$z>) {
    chomp;
    my ($name, $text) = split /\t/, $_, 2;
    push @{ $zone{ lc $name } }, $text;
}
{
    package Answer;
    sub type { 'TXT' }
    sub char_str_list { ($_[0]{text}) }
    sub txtdata { $_[0]{text} }
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = sub {
        my ($name, $type) = @_;
        my $found = $zone{ lc $name };
        $@ = $found ? 'NOERROR' : 'NXDOMAIN';
        return map { bless { text => $_ }, 'Answer' } @{ $found || [] };
    };
}

binmode STDIN;
$| = 1;
while (defined(my $size = <STDIN>)) {
    chomp $size;
    read(STDIN, my $message, $size) == $size or die "short input\n";
    my @out;
    my $v = Mail::DKIM::Verifier->new;
    eval {
        $v->PRINT($message);
        $v->CLOSE;
        for my $s ($v->signatures) {
            my $detail = $s->result_detail;
            $detail =~ s/[^ -~]/?/g;
            $detail =~ s/\|/ /g;
            push @out, ($s->get_tag('nn') // '?') . '=' . $s->result . '=' . $detail;
        }
        1;
    } or push @out, 'died';
    if ($message =~ /^ARC-/m) {
        my $a = Mail::DKIM::ARC::Verifier->new;
        my $result = eval { $a->PRINT($message); $a->CLOSE; $a->result } // 'died';
        push @out, "arc=$result=";
    }
    my $line = join('|', @out);
    $line =~ s/[^ -~]/?/g; # a tag of the message may hold anything
    print "$line\n";
}
