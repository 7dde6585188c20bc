"""verify_seals.py - lets other implementations verify what was sealed, for run_suite.py --verify-adapter.

VIDIMUS_VERIFIER=dkimpy (default) or mail-dkim.  Keys come from the zone of the case, not from DNS.
"""
import os
import subprocess
import tempfile

import dkim

HERE = os.path.dirname(os.path.abspath(__file__))


class Adapter:
    METHODS = ['arc']

    def __init__(self, ctx):
        self.perl = os.environ.get('VIDIMUS_VERIFIER') == 'mail-dkim'

    def run(self, case, ctx):
        txt = {}
        for name, types in (case.get('zone') or {}).items():
            for value in types.get('TXT', []) if isinstance(types, dict) else []:
                txt[name.lower()] = ''.join(value).replace('\n', '')  # a fold, and the file is by lines
        if not self.perl:
            cv, _, _ = dkim.arc_verify(ctx.message, minkey=1024, dnsfunc=lambda n, timeout=5: txt.get(
                (n.decode() if isinstance(n, bytes) else n).rstrip('.').lower(), '').encode() or None)
            return {'arc': cv.decode() if cv else 'fail'}
        with tempfile.NamedTemporaryFile('w', suffix='.keys') as f:
            f.write(''.join('%s %s\n' % item for item in txt.items()))
            f.flush()
            out = subprocess.run(['perl', os.path.join(HERE, '../interop/mail_dkim.pl'), f.name, 'verify'], input=ctx.message,
                                 stdout=subprocess.PIPE, check=True).stdout
        return {'arc': out.split()[0].decode()}
