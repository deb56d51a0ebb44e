"""C-MOVE and C-GET by pynetdicom: prints what came, as JSON.

usage: pynetdicom_retrieve.py move|get PORT OWN_PORT AE_TITLE STUDY_UID SOP_CLASS_UID TRANSFER_SYNTAX_UID...
"""

import hashlib
import json
import sys

from pydicom.dataset import Dataset
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

command, port, own_port, ae_title, study, sop_class, *syntaxes = sys.argv[1:]
stored = []


def on_store(event):
    request = event.request
    stored.append(
        {
            "sopInstanceUid": request.AffectedSOPInstanceUID,
            "transferSyntaxUid": event.context.transfer_syntax,
            "digest": hashlib.sha256(request.DataSet.getvalue()).hexdigest(),
            "originator": getattr(request, "MoveOriginatorApplicationEntityTitle", None),
        }
    )
    return 0x0000


ae = AE(ae_title=ae_title)
ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 30
identifier = Dataset()
identifier.QueryRetrieveLevel = "STUDY"
identifier.StudyInstanceUID = study
responses = []
server = None
if command == "move":
    ae.add_supported_context(sop_class, syntaxes)
    server = ae.start_server(("127.0.0.1", int(own_port)), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)])
    ae.add_requested_context(StudyRootQueryRetrieveInformationModelMove)
    association = ae.associate("127.0.0.1", int(port), ae_title="KINDRED")
    answers = association.send_c_move(identifier, ae_title, StudyRootQueryRetrieveInformationModelMove)
else:
    ae.requested_contexts = [build_context(StudyRootQueryRetrieveInformationModelGet)] + [
        build_context(sop_class, syntax) for syntax in syntaxes
    ]
    association = ae.associate(
        "127.0.0.1",
        int(port),
        ae_title="KINDRED",
        ext_neg=[build_role(sop_class, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, on_store)],
    )
    answers = association.send_c_get(identifier, StudyRootQueryRetrieveInformationModelGet)
for status, _ in answers:
    responses.append(
        {
            "status": status.Status,
            "remaining": getattr(status, "NumberOfRemainingSuboperations", None),
            "completed": getattr(status, "NumberOfCompletedSuboperations", None),
            "failed": getattr(status, "NumberOfFailedSuboperations", None),
            "warning": getattr(status, "NumberOfWarningSuboperations", None),
        }
    )
association.release()
if server is not None:
    server.shutdown()
print(json.dumps({"stored": stored, "responses": responses}))
