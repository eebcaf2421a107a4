#pragma once
// An execution that another one started and waits for: a command of a maintenance window, a command of an automation.
// The child keeps who its parent is; when it ends, an event is put to the parent in the transaction in which it ends.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "store/executions.hpp"

namespace belay::server {

struct Parent {
  std::string kind, execution_id;
  std::string key;  // what the parent knows the child by; one event a key
};
BOOST_DESCRIBE_STRUCT(Parent, (), (kind, execution_id, key))

struct ChildEnded {
  std::string key;  // the parent's
  std::string child_kind, child_id;
  std::string status, status_details;  // in the words of the child's kind: "Success", "Failed", …
  std::uint32_t errors = 0;            // that count against an error budget
};
BOOST_DESCRIBE_STRUCT(ChildEnded, (), (key, child_kind, child_id, status, status_details, errors))

// What is wrong with a request itself, and will be wrong the next time too: the child's turn has failed, and the parent
// goes on. The rest is tried again.
bool is_refusal(Code code);

// ok where the parent has ended or is gone: nobody waits any more. May be repeated.
Status tell_parent(store::Sql& sql, const Parent& parent, ChildEnded ended, Instant now);

// For the parent: what an event says of a child; nullopt where it is no such event.
Result<std::optional<ChildEnded>> child_ended(const store::executions::Event& event);

}  // namespace belay::server
