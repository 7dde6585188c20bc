"""The demo zone and the telling messages: who sends what from where, and what a receiver should make of it.

Signatures and ARC sets come from python3-dkim, an implementation that has nothing to do with ours.
"""
import subprocess
import time
from email.utils import formatdate

import dkim

AUTHSERV_ID = 'mx.receiver.example'
RECIPIENT = 'anna@receiver.example'

# host name -> address, for the clients of the demo
HOSTS = {'mx.bank.example': '192.0.2.10', 'mx.shop.example': '192.0.2.20', 'mx.club.example': '192.0.2.30',
         'relay.forwarder.example': '198.51.100.25', 'lists.list.example': '198.51.100.40',
         'sealer.example': '198.51.100.60', 'pc.dialup.example': '203.0.113.66'}
POLICIES = {'bank.example': 'v=DMARC1; p=reject; rua=mailto:dmarc@bank.example', 'shop.example': 'v=DMARC1; p=quarantine'}
SENDERS = {'bank.example': 'mx.bank.example', 'shop.example': 'mx.shop.example', 'club.example': 'mx.club.example',
           'list.example': 'lists.list.example', 'sealer.example': 'sealer.example', 'dialup.example': 'pc.dialup.example'}
SIGNERS = ('bank.example', 'list.example', 'sealer.example')


def make_key():
    """(PEM of the private key, base64 of the public one)"""
    pem = subprocess.run(['openssl', 'genrsa', '-traditional', '2048'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    der = subprocess.run(['openssl', 'rsa', '-pubout', '-outform', 'DER'], input=pem, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=True).stdout
    import base64
    return pem, base64.b64encode(der).decode()


def address(host, loopback=False):
    """The address of a client of the demo; with loopback one that a test can really send from."""
    parts = HOSTS[host].split('.')
    return '127.0.%s.%s' % tuple(parts[2:]) if loopback else HOSTS[host]


class Keys:
    def __init__(self):
        self.private, self.public = {}, {}
        for domain in SIGNERS:
            self.private[domain], self.public[domain] = make_key()

    def zone(self):
        return ''.join('demo._domainkey.%s. TXT "v=DKIM1; k=rsa; p=" "%s" "%s"\n' % (d, p[:200], p[200:])
                       for d, p in self.public.items())

    def sign(self, message, domain):
        return dkim.sign(message, b'demo', domain.encode(), self.private[domain], canonicalize=(b'relaxed', b'relaxed'),
                         include_headers=[b'from', b'to', b'subject', b'date', b'message-id']) + message

    def seal(self, message, domain, results):
        """An ARC set on top, as a forwarder's software would add it at arrival."""
        stamped = b'Authentication-Results: ' + domain.encode() + b'; ' + results.encode() + b'\r\n' + message
        fields = dkim.arc_sign(stamped, b'demo', domain.encode(), self.private[domain], domain.encode(),
                               include_headers=[b'from', b'to', b'subject', b'date', b'message-id'])
        return b''.join(fields) + message


def zone(keys, loopback=False):
    lines = []
    for name in HOSTS:
        ip = address(name, loopback)
        reverse = '.'.join(reversed(ip.split('.'))) + '.in-addr.arpa'
        lines += ['%s. A %s' % (name, ip), '%s. PTR %s.' % (reverse, name)]
    lines += ['%s. TXT "v=spf1 ip4:%s -all"' % (d, address(h, loopback)) for d, h in SENDERS.items()]
    lines += ['_dmarc.%s. TXT "%s"' % (d, text) for d, text in POLICIES.items()]
    return '\n'.join(lines) + '\n' + keys.zone()


def text(author, subject, body='Dear customer,\r\n\r\nyour statement is ready.\r\n', extra=''):
    return ('From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\n%s\r\n%s' % (
        author, RECIPIENT, subject, formatdate(time.time()), abs(hash((author, subject))), author.split('@')[-1].rstrip('>'),
        extra, body)).encode()


class Letter:
    """One message with its envelope, and what should happen: `reply` the first digits of the SMTP reply,
    `fate` one of delivered, held, refused."""

    def __init__(self, name, host, mail_from, data, reply, fate, **results):
        self.name, self.host, self.mail_from, self.data = name, host, mail_from, data
        self.ip, self.reply, self.fate, self.results = HOSTS[host], reply, fate, results
        self.loopback_ip = address(host, loopback=True)


def letters(keys):
    genuine = keys.sign(text('Bank <service@bank.example>', 'Your statement'), 'bank.example')
    listed = genuine.replace(b'Subject: Your statement', b'Subject: [club] Your statement')
    footer = b'-- \r\nclub mailing list\r\n'
    list_mail = keys.sign(b'List-Id: club <club.list.example>\r\nList-Post: <mailto:club@list.example>\r\n' + listed + footer,
                          'list.example')
    sealed = keys.seal(listed + footer, 'sealer.example',
                       'dmarc=pass header.from=bank.example; spf=pass smtp.mailfrom=bank.example; dkim=pass header.d=bank.example')
    claims = ('Authentication-Results: %s; dmarc=pass header.from=bank.example; spf=pass smtp.mailfrom=bank.example\r\n'
              'Authentication-Results: other.example; spf=pass smtp.mailfrom=club.example\r\n'
              'Authentication-Results: (really) "MX.Receiver.Example" 1; dkim=pass header.d=bank.example\r\n' % AUTHSERV_ID)
    spoof = text('Bank <service@bank.example>', 'Your account is closed')
    return [
        Letter('genuine', 'mx.bank.example', 'bounce@bank.example', genuine, '250', 'delivered',
               spf='pass', dkim='pass', arc='none', dmarc='pass'),
        Letter('forged, p=reject', 'pc.dialup.example', 'x@dialup.example', spoof, '550', 'refused',
               spf='pass', dkim='none', arc='none', dmarc='fail'),
        Letter('forged, p=quarantine', 'pc.dialup.example', 'x@dialup.example',
               text('Shop <sales@shop.example>', 'Your order'), '250', 'held', spf='pass', dkim='none', arc='none', dmarc='fail'),
        Letter('forwarded unchanged', 'relay.forwarder.example', 'bounce@bank.example', genuine, '250', 'delivered',
               spf='fail', dkim='pass', arc='none', dmarc='pass'),
        Letter('mailing list', 'lists.list.example', 'club-bounces@list.example', list_mail, '250', 'held',
               spf='pass', dkim='pass', arc='none', dmarc='fail'),
        Letter('body broken on the way', 'relay.forwarder.example', 'bounce@bank.example',
               genuine.replace(b'statement is ready', b'statement is at http://dialup.example'), '550', 'refused',
               spf='fail', dkim='fail', arc='none', dmarc='fail'),
        Letter('forged results', 'mx.club.example', 'club@club.example',
               claims.encode() + text('Club <club@club.example>', 'Meeting'), '250', 'delivered',
               spf='pass', dkim='none', arc='none', dmarc='none'),
        Letter('no DMARC', 'mx.club.example', 'club@club.example', text('Club <club@club.example>', 'Minutes'), '250', 'delivered',
               spf='pass', dkim='none', arc='none', dmarc='none'),
        Letter('changed, sealer trusted', 'sealer.example', 'fwd@sealer.example', sealed, '250', 'delivered',
               spf='pass', dkim='fail', arc='pass', dmarc='fail'),
        Letter('two authors', 'pc.dialup.example', 'x@dialup.example',
               b'From: x@dialup.example\r\n' + spoof, '550', 'refused', spf='pass', dkim='none', arc='none', dmarc='permerror'),
    ]
