#pragma once
// What a command's turn loads, kept from one turn to the next: a turn is about a few nodes, and reading thousands of
// them again for each would be most of its work. Every turn is named anew in the state that it saves, so what is kept
// counts only where exactly that turn became durable: not after a transaction that was undone, nor where another server
// carried the command on. For one thread.
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/command/machine.hpp"
#include "server/engine/command_options.hpp"
#include "store/commands.hpp"

namespace belay::server {

struct LoadedCommand {
  store::commands::Command row;
  CommandOptions options;
  command::Command command;
  std::vector<store::commands::Invocation> invocation_rows;  // of command.invocations, in their order
};

class CommandCache {
 public:
  static constexpr std::size_t kInvocationsMax = 50'000;  // of all commands; about 1 KiB each

  // Moves out what the turn of this name left, if it is here.
  std::optional<LoadedCommand> take(const std::string& turn);
  // Instead of what was kept of the same command. Where it is too much, the one kept longest goes.
  void keep(std::string turn, LoadedCommand loaded);

 private:
  struct Kept {
    std::string turn;
    LoadedCommand loaded;
  };
  std::deque<Kept> kept_;
};

}  // namespace belay::server
