#pragma once
// What a step asks of the world: inputs with every reference replaced, by type.
#include <boost/describe.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.hpp"
#include "base/time.hpp"

namespace belay::automation {

using Texts = std::vector<std::string>;

struct Target {
  std::string key;  // "InstanceIds", "tag:Role", …
  Texts values;
};
BOOST_DESCRIBE_STRUCT(Target, (), (key, values))

struct RunCommand {
  static constexpr std::string_view kKind = "aws:runCommand";
  std::string document, document_version, comment;
  std::map<std::string, Texts> parameters;
  Texts instance_ids;
  std::vector<Target> targets;
  std::optional<std::int64_t> timeout_s;  // delivery
  std::string max_concurrency, max_errors;
};
BOOST_DESCRIBE_STRUCT(RunCommand, (),
                      (document, document_version, comment, parameters, instance_ids, targets, timeout_s,
                       max_concurrency, max_errors))

struct ExecuteAutomation {
  static constexpr std::string_view kKind = "aws:executeAutomation";
  std::string document, document_version;
  std::map<std::string, Texts> parameters;
  std::string target_parameter;  // with targets: one inner execution for each
  std::vector<Target> targets;
  std::string max_concurrency, max_errors;
};
BOOST_DESCRIBE_STRUCT(ExecuteAutomation, (),
                      (document, document_version, parameters, target_parameter, targets, max_concurrency, max_errors))

// AWS knows addresses by the name of an integration; here the address itself is given.
struct InvokeWebhook {
  static constexpr std::string_view kKind = "aws:invokeWebhook";
  std::string url, body;
};
BOOST_DESCRIBE_STRUCT(InvokeWebhook, (), (url, body))

struct CreateTags {
  static constexpr std::string_view kKind = "aws:createTags";
  std::string resource_type;
  Texts resource_ids;
  std::map<std::string, std::string> tags;
};
BOOST_DESCRIBE_STRUCT(CreateTags, (), (resource_type, resource_ids, tags))

// Tell the approvers that they are asked.
struct Approve {
  static constexpr std::string_view kKind = "aws:approve";
  std::string message, notify;
  Texts approvers;
  std::uint32_t approvals_needed = 1;
};
BOOST_DESCRIBE_STRUCT(Approve, (), (message, notify, approvers, approvals_needed))

struct Sleep {
  static constexpr std::string_view kKind = "aws:sleep";
  std::optional<Duration> duration;
  std::optional<Instant> until;
};
BOOST_DESCRIBE_STRUCT(Sleep, (), (duration, until))

struct Pause {
  static constexpr std::string_view kKind = "aws:pause";
};
BOOST_DESCRIBE_STRUCT(Pause, (), ())

struct Branch {  // the machine itself answers it
  static constexpr std::string_view kKind = "aws:branch";
};
BOOST_DESCRIBE_STRUCT(Branch, (), ())

using Request = std::variant<RunCommand, ExecuteAutomation, InvokeWebhook, CreateTags, Approve, Sleep, Pause, Branch>;

// From inputs whose references are replaced. invalid_argument names the input.
Result<Request> build_request(std::string_view action, const json::Object& inputs);

// ISO 8601: "PT10M", "P1DT2H", "PT0.5S"; days and what is smaller.
Result<Duration> parse_iso_duration(std::string_view text);

}  // namespace belay::automation
