"""For whom somebody can send cases: themselves, and whom they look after."""

from __future__ import annotations

from http import HTTPStatus

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope, User
from diagnoses.api.problems import Refused, problems
from diagnoses.api.serializers import PersonSerializer
from diagnoses.api.views import user_of


class PeopleView(APIView):
    scope = Scope.ACCOUNT_READ

    @extend_schema(
        operation_id="people_list",
        summary="For whom you can send cases",
        description="Yourself first, then whom you look after. People are added on the website.",
        responses={200: PersonSerializer(many=True)} | problems(401, 403),
    )
    def get(self, request: Request) -> Response:
        user = user_of(request)
        if not user.is_patient:
            raise Refused(HTTPStatus.FORBIDDEN, "patients_only", "Only patients submit cases.")
        mine = User.objects.answered_for_by(user)
        people = sorted(mine, key=lambda each: (each.pk != user.pk, each.pk))
        return Response(PersonSerializer(people, many=True).data)
