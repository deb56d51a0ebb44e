"""pynetdicom as requestor, and as acceptor with TLS. Prints one JSON value.

echo|store|find|similar PORT ARGUMENT...    asks Kindred
tls-in PORT KEY CERT CA FILE                echoes and stores by TLS
tls-out OWN_PORT KEY CERT CA                takes everything by TLS until stdin ends
"""

import glob
import json
import ssl
import sys

from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import CTImageStorage, Verification
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as Find

HOST = "127.0.0.1"
command, port, *rest = sys.argv[1:]


def associated(ae, called="KINDRED", port=port, **options):
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 30
    association = ae.associate(HOST, int(port), ae_title=called, **options)
    if not association.is_established:
        print(json.dumps(None))
        sys.exit(1)
    return association


def echo():
    ae = AE("PYNETDICOM")
    ae.add_requested_context(Verification)
    association = associated(ae)
    status = association.send_c_echo().get("Status")
    association.release()
    return status


def store():
    statuses = []
    for name in sorted(glob.glob(rest[0] + "/*.dcm")):
        data = dcmread(name)
        ae = AE("PYNETDICOM")
        ae.add_requested_context(data.SOPClassUID, data.file_meta.TransferSyntaxUID)
        association = associated(ae)
        try:
            statuses.append(association.send_c_store(data).get("Status"))
        except Exception as error:  # what the tool itself cannot send
            statuses.append(str(error))
        association.release()
    return statuses


def find(called, **keys):
    ae = AE("PYNETDICOM")
    ae.add_requested_context(Find)
    association = associated(ae, called)
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.StudyInstanceUID = ""
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    found = [match.StudyInstanceUID for _, match in association.send_c_find(identifier, Find) if match]
    association.release()
    return found


def tls_in():
    key, cert, ca, name = rest
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(cert, key)
    data = dcmread(name)
    ae = AE("PYTLS")
    ae.add_requested_context(Verification)
    ae.add_requested_context(CTImageStorage, data.file_meta.TransferSyntaxUID)
    association = associated(ae, tls_args=(context, HOST))
    statuses = [association.send_c_echo().get("Status"), association.send_c_store(data).get("Status")]
    association.release()
    return statuses


def tls_out():
    key, cert, ca = rest
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(cert, key)
    ae = AE("PYTLS")
    ae.supported_contexts = AllStoragePresentationContexts
    ae.add_supported_context(Verification)
    ae.start_server((HOST, int(port)), block=False, ssl_context=context, evt_handlers=[(evt.EVT_C_STORE, lambda _: 0)])
    sys.stdin.read()


if command == "find":
    answer = find("KINDRED", PatientID=rest[0])
elif command == "similar":
    answer = find("SIMILAR", StudyInstanceUID=rest[0])
else:
    answer = {"echo": echo, "store": store, "tls-in": tls_in, "tls-out": tls_out}[command]()
print(json.dumps(answer))
