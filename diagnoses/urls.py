"""Where cases answer: the patient's pages, the doctor's pages, the pictures; what to learn."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from diagnoses.views import (
    afterwards,
    again,
    archive,
    claims,
    data,
    doctor,
    evidence,
    learn,
    learning,
    lesions,
    looked,
    mine,
    monitoring,
    nudges,
    patient,
    photos,
    report,
    rule,
    shadow,
    shares,
    submit,
    talk,
    uploads,
    worklist,
)

PATIENT: list[URLPattern | URLResolver] = [
    path("cases/", patient.case_list, name="case_list"),
    path("cases/new/", submit.case_new, name="case_new"),
    path("cases/new/photo/", uploads.draft_photo, name="draft_photo"),
    path("cases/new/photo/<uuid:pk>/", photos.draft_thumb, name="draft_thumb"),
    path("cases/new/<uuid:key>/delete/", submit.case_drop, name="case_drop"),
    path("cases/new/<uuid:key>/<str:name>/", submit.case_step, name="case_step"),
    path("cases/<uuid:pk>/", patient.case, name="case"),
    path("cases/<uuid:pk>/state/", patient.case_state, name="case_state"),
    path("cases/<uuid:pk>/tell/", patient.case_tell, name="case_tell"),
    path("cases/<uuid:pk>/talk/", talk.case_talk, name="case_talk"),
    path("cases/<uuid:pk>/photo/", talk.case_photo, name="case_photo"),
    path("cases/<uuid:pk>/shares/<uuid:share>/", shares.case_share, name="case_share"),
    path("cases/<uuid:pk>/withdraw/", patient.case_withdraw, name="case_withdraw"),
]
LESIONS: list[URLPattern | URLResolver] = [
    path("lesions/", lesions.lesion_list, name="lesion_list"),
    path("lesions/<uuid:pk>/", lesions.lesion, name="lesion"),
    path("lesions/<uuid:pk>/name/", lesions.lesion_name, name="lesion_name"),
]
REPORT: list[URLPattern | URLResolver] = [
    path("cases/<uuid:pk>/report.pdf", report.case_report, name="case_report"),
    path("cases/<uuid:pk>/archive.zip", archive.case_archive, name="case_archive"),
]
PICTURES: list[URLPattern | URLResolver] = [
    path("photos/<uuid:pk>/", photos.photo, name="photo"),
]
DOCTOR: list[URLPattern | URLResolver] = [
    path("worklist/", worklist.worklist, name="worklist"),
    path("worklist/done/", worklist.worklist_done, name="worklist_done"),
    path("worklist/state/", worklist.worklist_state, name="worklist_state"),
    path("worklist/again/", again.again_list, name="worklist_again"),
    path("worklist/again/<uuid:pk>/", again.again, name="again"),
    path("worklist/numbers/", afterwards.numbers, name="worklist_numbers"),
    path("worklist/letters/<uuid:pk>.pdf", afterwards.letter_paper, name="letter_paper"),
    path("worklist/<uuid:pk>/", doctor.reading, name="reading"),
    path("worklist/<uuid:pk>/ask/", again.ask_colleague, name="reading_ask"),
    path("worklist/<uuid:pk>/shares/<uuid:share>/", shares.reading_share, name="reading_share"),
    path("worklist/<uuid:pk>/outcome/", afterwards.outcome, name="reading_outcome"),
    path("worklist/<uuid:pk>/letter/", afterwards.letter, name="reading_letter"),
    path("worklist/<uuid:pk>/open/", claims.reading_open, name="reading_open"),
    path("worklist/<uuid:pk>/heatmap/<uuid:photo>/", evidence.heatmap, name="reading_heatmap"),
    path("worklist/<uuid:pk>/first/", doctor.reading_first, name="reading_first"),
    path("worklist/<uuid:pk>/sign/", doctor.reading_sign, name="reading_sign"),
    path("worklist/<uuid:pk>/undo/", doctor.reading_undo, name="reading_undo"),
    path("worklist/<uuid:pk>/told/", doctor.reading_told, name="reading_told"),
    path("worklist/<uuid:pk>/amend/", doctor.reading_amend, name="reading_amend"),
    path("worklist/<uuid:pk>/talk/", doctor.reading_talk, name="reading_talk"),
    path("worklist/<uuid:pk>/retake/", doctor.reading_retake, name="reading_retake"),
    path("worklist/<uuid:pk>/no-answer/", doctor.reading_no_answer, name="reading_no_answer"),
]
LEARN: list[URLPattern | URLResolver] = [
    path("learn/", learn.learn, name="learn"),
    path("learn/self-check/", learn.lesson, name="learn_lesson"),
    path("learn/self-check/<slug:slug>/", learn.lesson_step, name="learn_step"),
    path("learn/<slug:slug>/", learn.condition, name="learn_condition"),
]
LEARNING: list[URLPattern | URLResolver] = [
    path("learning/", learning.exports, name="learning"),
    path("learning/<uuid:pk>/", learning.export, name="learning_export"),
    path("learning/<uuid:pk>/download/", learning.download, name="learning_download"),
    path("learning/<uuid:pk>/withdrawn.csv", learning.withdrawn, name="learning_withdrawn"),
    path("learning/<uuid:pk>/cleaned/", learning.cleaned, name="learning_cleaned"),
]
MINE: list[URLPattern | URLResolver] = [
    path("account/consents/<str:kind>/", mine.consent, name="account_consent"),
    path("account/download/", mine.download, name="account_download"),
    path("account/looked/", looked.looked, name="account_looked"),
    path("account/people/<int:pk>/looked/", looked.looked, name="person_looked"),
    path("account/erase/", mine.erase, name="account_erase"),
    path("account/erase/undo/", mine.keep, name="account_keep"),
    path("account/people/<int:pk>/consents/<str:kind>/", mine.consent, name="person_consent"),
    path("account/people/<int:pk>/download/", mine.download, name="person_download"),
    path("account/people/<int:pk>/erase/", mine.erase, name="person_erase"),
    path("account/people/<int:pk>/erase/undo/", mine.keep, name="person_keep"),
]
NUDGES: list[URLPattern | URLResolver] = [
    path("reminders/<uuid:pk>/", nudges.reminder, name="reminder"),
]
MONITORING: list[URLPattern | URLResolver] = [
    path("models/<int:pk>/monitoring/", monitoring.model_monitoring, name="model_monitoring"),
    path("models/<int:pk>/monitoring/truth/", monitoring.model_truth, name="model_truth"),
    path("models/alarms/<uuid:pk>/seen/", monitoring.alarm_seen, name="alarm_seen"),
]
SHADOW: list[URLPattern | URLResolver] = [
    path("models/<int:pk>/shadow/", shadow.model_shadow, name="model_shadow"),
]
MODELS: list[URLPattern | URLResolver] = [
    path("models/data/", data.model_data, name="model_data"),
    path("models/<int:pk>/rule/", rule.model_rule, name="model_rule"),
]
API: list[URLPattern | URLResolver] = [path("api/v1/", include("diagnoses.api.urls"))]
FHIR: list[URLPattern | URLResolver] = [path("api/fhir/", include("diagnoses.fhir.urls"))]
urlpatterns: list[URLPattern | URLResolver] = [
    *PATIENT,
    *LESIONS,
    *REPORT,
    *PICTURES,
    *DOCTOR,
    *LEARN,
    *LEARNING,
    *MINE,
    *NUDGES,
    *MONITORING,
    *SHADOW,
    *MODELS,
    *API,
    *FHIR,
]
