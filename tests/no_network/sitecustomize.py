"Refuses every connection but those to this machine; on PYTHONPATH it reaches kernels and workers too"
import socket

_connect = socket.socket.connect


def connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ('127.0.0.1', '::1', 'localhost'):
        raise OSError(f'no network in this test: {address[0]} was asked for')
    return _connect(self, address)


def getaddrinfo(host, *args, _ask=socket.getaddrinfo, **kwargs):
    if host not in (None, '', 'localhost', '127.0.0.1', '::1', '0.0.0.0'): raise socket.gaierror(f'no network in this test: {host} was asked for')
    return _ask(host, *args, **kwargs)


socket.socket.connect, socket.getaddrinfo = connect, getaddrinfo
