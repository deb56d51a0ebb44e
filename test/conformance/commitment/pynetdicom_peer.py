"""Storage commitment by pynetdicom, in both roles; one JSON line on stdout for everything that happens.

scu KINDRED_PORT OWN_PORT same|new TRANSACTION CLASS:INSTANCE...   asks Kindred and takes its report
scp OWN_PORT KINDRED_PORT same|new OWN_TITLE                       stores, is asked, and reports
"""
import json
import sys
import threading
import time

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, build_role, evt
from pynetdicom.sop_class import StorageCommitmentPushModel as Commitment
from pynetdicom.sop_class import Verification

INSTANCE = "1.2.840.10008.1.20.1.1"
HOST = "127.0.0.1"


def say(**what):
    print(json.dumps(what), flush=True)


def shown(information):
    def pairs(keyword):
        return [
            [item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID]
            + ([item.FailureReason] if "FailureReason" in item else [])
            for item in information.get(keyword) or []
        ]

    return {
        "transaction": information.TransactionUID,
        "retrieve": information.get("RetrieveAETitle"),
        "committed": pairs("ReferencedSOPSequence"),
        "failed": pairs("FailedSOPSequence"),
    }


def scu(kindred_port, own_port, way, transaction, references):
    done = threading.Event()

    def reported(event):
        request = event.request
        roles = event.assoc.requestor.role_selection
        say(
            event="report",
            mode=event.assoc.mode,
            type=request.EventTypeID,
            sop=[request.AffectedSOPClassUID, request.AffectedSOPInstanceUID],
            roles={str(uid): [one.scu_role, one.scp_role] for uid, one in roles.items()},
            **shown(event.event_information),
        )
        done.set()
        return 0x0000, None

    handlers = [(evt.EVT_N_EVENT_REPORT, reported)]
    ae = AE(ae_title="PYSCU")
    ae.add_requested_context(Commitment)
    ae.add_supported_context(Commitment, scu_role=False, scp_role=True)
    server = ae.start_server((HOST, own_port), block=False, evt_handlers=handlers)
    assoc = ae.associate(HOST, kindred_port, ae_title="KINDRED", evt_handlers=handlers)
    action = Dataset()
    action.TransactionUID = transaction
    action.ReferencedSOPSequence = []
    for one in references:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one.split(":")
        action.ReferencedSOPSequence.append(item)
    status, _ = assoc.send_n_action(action, 1, Commitment, INSTANCE)
    say(event="answer", status=status.Status, comment=status.get("ErrorComment"))
    if way == "new":
        assoc.release()
    isReported = done.wait(30)
    time.sleep(0.3)
    if way == "same":
        assoc.release()
    server.shutdown()
    sys.exit(0 if isReported else 1)


def scp(own_port, kindred_port, way, title):
    def report(assoc, transaction, references):
        information = Dataset()
        information.TransactionUID = transaction
        information.ReferencedSOPSequence = references
        status, _ = assoc.send_n_event_report(information, 1, Commitment, INSTANCE)
        say(event="reported", status=status.get("Status"), mode=assoc.mode)

    def report_anew(transaction, references):
        time.sleep(0.5)
        ae = AE(ae_title=title)
        ae.add_requested_context(Commitment, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
        assoc = ae.associate(
            HOST, kindred_port, ae_title="KINDRED", ext_neg=[build_role(Commitment, scp_role=True)]
        )
        context = assoc.accepted_contexts[0] if assoc.accepted_contexts else None
        say(event="associated", scp=context and context.as_scp, scu=context and context.as_scu)
        report(assoc, transaction, references)
        assoc.release()

    def asked(event):
        information = event.action_information
        references = list(information.ReferencedSOPSequence)
        say(event="asked", type=event.action_type, **shown(information))
        how = (report_anew, ()) if way == "new" else (report, (event.assoc,))
        arguments = (*how[1], information.TransactionUID, references)
        # After the response went out.
        threading.Timer(0.2, how[0], arguments).start()
        return 0x0000, None

    def stored(event):
        say(event="stored", instance=event.request.AffectedSOPInstanceUID)
        return 0x0000

    ae = AE(ae_title=title)
    ae.supported_contexts = AllStoragePresentationContexts
    ae.add_supported_context(Verification)
    ae.add_supported_context(Commitment)
    handlers = [(evt.EVT_N_ACTION, asked), (evt.EVT_C_STORE, stored)]
    ae.start_server((HOST, own_port), block=False, evt_handlers=handlers)
    say(event="listening")
    # Until whoever started it closes its end.
    sys.stdin.read()


if __name__ == "__main__":
    role, first, second, way, *rest = sys.argv[1:]
    if role == "scu":
        scu(int(first), int(second), way, rest[0], rest[1:])
    else:
        scp(int(first), int(second), way, rest[0])
