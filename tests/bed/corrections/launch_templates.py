"""Launch templates and their numbered versions."""

import copy

from corrections import add, override
from corrections.paging import page
from moto.core.responses import ActionResult
from moto.ec2.exceptions import InvalidLaunchTemplateVersionNotFound
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateBackend, LaunchTemplateVersion
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import parse_user_data

PAGE = 200  # API_DescribeLaunchTemplates, API_DescribeLaunchTemplateVersions: MaxResults is 1 to 200
UNLIMITED = 10**9


@override(LaunchTemplates)
def create_launch_template(original, self):
    """API_CreateLaunchTemplate: TagSpecifications of the call tag the template; those inside LaunchTemplateData tag what
    it launches. moto appends the first to the second."""
    given = copy.deepcopy(self._get_param("LaunchTemplateData", {}).get("TagSpecifications"))
    answer = original(self)
    template = self.ec2_backend.get_launch_template(answer.result["LaunchTemplate"]["LaunchTemplateId"])
    data = template.versions[0].data
    data.pop("TagSpecifications", None)
    if given is not None:
        data["TagSpecifications"] = given
    return answer


@override(LaunchTemplates)
def create_launch_template_version(original, self):
    """API_CreateLaunchTemplateVersion: with SourceVersion the new version has that one's parameters except for those
    given. moto ignores it, and checks neither that user data is base64 nor keeps it in the form that its launches need."""
    if user_data := self._get_param("LaunchTemplateData.UserData"):
        self.params["LaunchTemplateData"]["UserData"] = parse_user_data(user_data)
    answer = original(self)
    if source := self._get_param("SourceVersion"):
        result = answer.result["LaunchTemplateVersion"]
        template = self.ec2_backend.get_launch_template(result["LaunchTemplateId"])
        version = template.versions[-1]
        version.data = {**template.get_version(source).data, **version.data}
        result["LaunchTemplateData"] = version.data
    return answer


@override(LaunchTemplate)
def create_version(_original, self, data, description):
    """API_DeleteLaunchTemplateVersions: a number is never given twice. moto numbers by counting."""
    self.last_number = getattr(self, "last_number", 0) + 1
    version = LaunchTemplateVersion(self, self.last_number, data, description)
    self.versions.append(version)
    return version


@override(LaunchTemplate)
def get_version(original, self, num):
    """Versions are found by number; moto finds them by position, which deletion moves."""
    if str(num).lower() in ("$latest", "$default"):
        return original(self, num)
    for version in self.versions:
        if str(version.number) == str(num):
            return version
    raise InvalidLaunchTemplateVersionNotFound(template_id=self.id, version=num)


@override(LaunchTemplate)
def default_version(_original, self):
    """The default is a number, not a position."""
    return self.get_version(self.default_version_number)


@add(LaunchTemplates)
def delete_launch_template_versions(self):
    """API_DeleteLaunchTemplateVersions: answers success and failure per version; the default version cannot be deleted.
    moto lacks the call."""
    template_id, name = self._get_param("LaunchTemplateId"), self._get_param("LaunchTemplateName")
    backend = self.ec2_backend
    template = backend.get_launch_template(template_id) if template_id else backend.get_launch_template_by_name(name)
    deleted, refused = [], []
    for number in self._get_param("Versions", []):
        item = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "VersionNumber": int(number)}
        version = next((v for v in template.versions if str(v.number) == str(number)), None)
        if version is None:
            error = {"Code": "launchTemplateVersionDoesNotExist", "Message": f"Version {number} does not exist"}
            refused.append({**item, "ResponseError": error})
        elif template.is_default(version):
            error = {"Code": "unexpectedError", "Message": f"Version {number} is the default version"}
            refused.append({**item, "ResponseError": error})
        else:
            template.versions.remove(version)
            deleted.append(item)
    return ActionResult(
        {
            "SuccessfullyDeletedLaunchTemplateVersions": deleted,
            "UnsuccessfullyDeletedLaunchTemplateVersions": refused,
        }
    )


@override(LaunchTemplateBackend)
def describe_launch_template_versions(original, self, **kwargs):
    """MinVersion and MaxVersion are numbers; moto slices by position."""
    low, high = kwargs.pop("min_version"), kwargs.pop("max_version")
    found = original(self, min_version=None, max_version=None, **kwargs)
    return [(t, v) for t, v in found if (low or 0) <= v.number <= (high or UNLIMITED)]


def _in_pages(original, self, field):
    real = self._get_int_param
    self._get_int_param = lambda name, default=None: UNLIMITED if name == "MaxResults" else real(name, default)
    try:
        answer = original(self)
    finally:
        del self._get_int_param
    answer.result[field], token = page(self, answer.result[field], PAGE)
    if token:
        answer.result["NextToken"] = token
    return answer


@override(LaunchTemplates)
def describe_launch_templates(original, self):
    """Pages of 200 with NextToken, and an unknown id is an error; moto cuts silently at 15 and leaves unknown ids out.
    API_CreateTags: tags that are written later show as well; moto shows those of the create call for ever."""
    for template in self.ec2_backend.launch_templates.values():
        template.tags = template.get_tags()
    for template_id in self._get_param("LaunchTemplateIds", []):
        self.ec2_backend.get_launch_template(template_id)
    return _in_pages(original, self, "LaunchTemplates")


@override(LaunchTemplates)
def describe_launch_template_versions(original, self):
    """Pages of 200 with NextToken; without id or name, $Latest and $Default select the versions of every template, and a
    number is refused. moto cuts silently at 15."""
    return _in_pages(original, self, "LaunchTemplateVersions")

