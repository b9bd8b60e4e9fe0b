"""Private keys stay out of what is only told."""

from sozutw.control.proto import command_pb2 as pb


def without_keys(message: pb.Request) -> pb.Request:
    """Return the request itself, with each private key in it emptied."""
    verb = message.WhichOneof("request_type")
    if verb == "add_certificate":
        message.add_certificate.certificate.key = ""
    elif verb == "replace_certificate":
        message.replace_certificate.new_certificate.key = ""
    elif verb == "replace_default_certificate":
        message.replace_default_certificate.certificate.key = ""
    elif verb == "add_https_listener" and message.add_https_listener.HasField("key"):
        message.add_https_listener.key = ""
    elif verb == "add_cluster" and message.add_cluster.extras.backend_tls.HasField("certificate"):
        message.add_cluster.extras.backend_tls.certificate.key = ""
    return message
