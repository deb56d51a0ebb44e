"""One C-FIND by pynetdicom: the query as JSON on stdin, what came as JSON on stdout."""
import json
import sys

from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

asked = json.load(sys.stdin)
model = "1.2.840.10008.5.1.4.1.2.%d.1" % (1 if asked["model"] == "PATIENT_ROOT" else 2)
ae = AE(ae_title=asked["calling"])
ae.add_requested_context(model)
extended = []
if asked.get("extended"):
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid = model
    item.service_class_application_information = bytes.fromhex(asked["extended"])
    extended.append(item)
assoc = ae.associate("127.0.0.1", asked["port"], ae_title=asked["called"], ext_neg=extended)
if not assoc.is_established:
    sys.exit("no association")
identifier = Dataset.from_json(json.dumps(asked["keys"]))
statuses, comments, matches = [], [], []
for status, match in assoc.send_c_find(identifier, model, msg_id=7):
    statuses.append(status.Status if status else None)
    if status and "ErrorComment" in status:
        comments.append(status.ErrorComment)
    if match is not None:
        matches.append(match.to_json_dict())
        if len(matches) == asked.get("cancelAfter"):
            assoc.send_c_cancel(7, query_model=model)
accepted = assoc.acceptor.sop_class_extended.get(model)
assoc.release()
json.dump(
    {
        "accepted": accepted.hex() if accepted else None,
        "statuses": statuses,
        "comments": comments,
        "matches": matches,
    },
    sys.stdout,
)
