"""A plain reader of well-formed HTTP/1 messages, for peers that tests play; not the product's."""

from collections import deque


class Message:
    """One request or response, as far as it has come."""

    def __init__(self, head: bytes) -> None:
        self.start, _, lines = head.partition(b"\r\n")
        self.fields = [line.partition(b":")[::2] for line in lines.split(b"\r\n") if line]
        self.body = bytearray()
        self.is_complete = False
        self.ends_with_close = False

    def field(self, name: bytes) -> bytes | None:
        """Return the value of the only field of that name."""
        values = [value.strip() for key, value in self.fields if key.lower() == name.lower()]
        assert len(values) <= 1, values
        return values[0] if values else None

    @property
    def status(self) -> int:
        """Of a response."""
        return int(self.start.split(b" ")[1])

    @property
    def method(self) -> bytes:
        """Of a request."""
        return self.start.split(b" ")[0]

    @property
    def target(self) -> bytes:
        """Of a request."""
        return self.start.split(b" ")[1]


class MessageReader:
    """
    Take a stream of messages apart.

    ``methods`` tells a reader of responses to which requests they come; without it the
    stream is one of requests.
    """

    def __init__(self, methods: deque[bytes] | None = None) -> None:
        self.messages: list[Message] = []
        self.is_raw = False
        """A 101 came: what follows is no message."""
        self.buffer = b""
        self._methods = methods
        self._left = 0
        self._is_chunked = False

    def feed(self, data: bytes) -> None:
        """Read on."""
        self.buffer += data
        while self.buffer and not self.is_raw and self._advance():
            pass

    def end(self) -> None:
        """The stream ended in order, which ends a body that has no other end."""
        if self.messages and self.messages[-1].ends_with_close:
            self.messages[-1].is_complete = True

    def _advance(self) -> bool:
        message = self.messages[-1] if self.messages else None
        if message is None or message.is_complete:
            return self._begin()
        if message.ends_with_close:
            message.body += self.buffer
            self.buffer = b""
        elif self._is_chunked:
            return self._take_chunk(message)
        else:
            message.body += self.buffer[: self._left]
            taken = min(self._left, len(self.buffer))
            self.buffer = self.buffer[taken:]
            self._left -= taken
            message.is_complete = not self._left
        return True

    def _begin(self) -> bool:
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        self.buffer = rest
        message = Message(head)
        self.messages.append(message)
        has_body = True
        if self._methods is not None:
            status = message.status
            if status == 101:
                self.is_raw = True
            if status >= 200:
                assert self._methods, "an answer that nobody asked for"
                has_body = self._methods.popleft() != b"HEAD" and status not in (204, 304)
            else:
                has_body = False
        length = message.field(b"Content-Length")
        self._is_chunked = message.field(b"Transfer-Encoding") == b"chunked"
        self._left = int(length or 0)
        if has_body and not self._is_chunked and length is None and self._methods is not None:
            message.ends_with_close = True
        elif not has_body or not (self._is_chunked or self._left):
            message.is_complete = True
        return True

    def _take_chunk(self, message: Message) -> bool:
        line, end, rest = self.buffer.partition(b"\r\n")
        if not end:
            return False
        size = int(line, 16)
        if len(rest) < size + 2:
            return False
        assert rest[size : size + 2] == b"\r\n"
        message.body += rest[:size]
        message.is_complete = not size
        self.buffer = rest[size + 2 :]
        return True
