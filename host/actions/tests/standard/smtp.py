"""A mail server: prints its port, then each mail that it takes as one line of JSON."""
import email
import email.policy
import json
import socket
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

mode, certificate, key = sys.argv[1:]


def parts(message):
    for part in message.walk():
        if not part.is_multipart():
            text = part.get_content().replace("\r\n", "\n")
            # A newline at the end may be the transport's.
            yield [part.get_content_type(), text.rstrip("\n")]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(
            envelope.content, policy=email.policy.default
        )
        headers = {
            name: str(message[name])
            for name in ("Subject", "From", "To", "Cc", "Bcc", "Reply-To")
            if message[name]
        }
        mail = {
            "from": envelope.mail_from,
            "to": sorted(envelope.rcpt_tos),
            "headers": headers,
            "type": message.get_content_type(),
            "parts": list(parts(message)),
            "tls": session.ssl is not None,
            "user": session.auth_data.login.decode() if session.auth_data else None,
        }
        print(json.dumps(mail), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    right = isinstance(data, LoginPassword) and data.password == b"s3cr3t"
    return AuthResult(success=right, handled=False, auth_data=data)


more = {}
if mode == "tls":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    more = {
        "tls_context": context,
        "require_starttls": True,
        "authenticator": authenticate,
        "auth_required": True,
    }
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
controller = Controller(
    Handler(), hostname="127.0.0.1", port=port, ready_timeout=60, **more
)
controller.start()
print(port, flush=True)
threading.Event().wait()
