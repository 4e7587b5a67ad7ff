// Does with OpenAI's own client what programs do, and prints what came of it as JSON.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BOT_URL, apiKey: process.env.BOT_TOKEN, maxRetries: 0 });
const model = "support";
const QUESTION = { role: "user", content: "What is the weather?" };
const parameters = { type: "object", properties: { city: { type: "string" } } };

const jobs = {
  async tools() {
    const tools = [{ type: "function", function: { name: "weather", parameters } }];
    const messages = [QUESTION];
    const first = await client.chat.completions.stream({ model, messages, tools }).finalChatCompletion();
    const message = first.choices[0].message;
    messages.push(message);
    for (const call of message.tool_calls) messages.push({ role: "tool", tool_call_id: call.id, content: "sunny" });
    const last = await client.chat.completions.create({ model, messages, tools });
    return [message.tool_calls.map((call) => call.function.arguments), last.choices[0].message.content];
  },

  async cancel() {
    const stream = await client.chat.completions.create({ model, messages: [QUESTION], stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0].delta.content) stream.controller.abort();
    }
    return "cancelled";
  },

  async responses() {
    const tools = [{ type: "function", name: "weather", parameters, strict: false }];
    const input = [QUESTION];
    const first = await client.responses.stream({ model, input, tools }).finalResponse();
    for (const { parsed_arguments, ...item } of first.output) input.push(item);
    const [call] = first.output.filter((item) => item.type === "function_call");
    input.push({ type: "function_call_output", call_id: call.call_id, output: "sunny" });
    const last = await client.responses.create({ model, input, tools });
    return [call.arguments, last.output_text];
  },

  async failure() {
    try {
      const stream = await client.chat.completions.create({ model, messages: [QUESTION], stream: true });
      for await (const _ of stream);
    } catch (error) {
      return [error instanceof OpenAI.APIError, error.code];
    }
  },
};

console.log(JSON.stringify(await jobs[process.argv[2]]()));
