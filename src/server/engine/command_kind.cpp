#include "server/engine/command_kind.hpp"

#include "server/engine/command_run.hpp"

namespace belay::server {
namespace {

class CommandKind : public ExecutionKind {
 public:
  CommandKind(const Authority& authority, Judge& judge, const AgentProgram* program)
      : authority_(authority), judge_(judge), program_(program) {}
  std::string_view name() const override { return kCommandKind; }
  Result<Advance> advance(store::Sql& sql, const store::executions::Execution& execution,
                          const std::vector<store::executions::Event>& events, Instant now) override {
    return CommandRun(sql, authority_, judge_, program_, cache_, now).advance(execution, events);
  }

 private:
  const Authority& authority_;
  Judge& judge_;
  const AgentProgram* program_;
  CommandCache cache_;
};

}  // namespace

std::unique_ptr<ExecutionKind> make_command_kind(const Authority& authority, Judge& judge,
                                                 const AgentProgram* program) {
  return std::make_unique<CommandKind>(authority, judge, program);
}

}  // namespace belay::server
