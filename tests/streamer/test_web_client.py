"""client.js without the demo page around it."""

import pytest
from playwright.async_api import Browser
from stage import staged

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PRELUDE = """
    const { Sam2Client } = await import("/web/client.js");
    const canvas = document.createElement("canvas");
    canvas.getContext("2d").fillRect(0, 0, 9, 9);
    const stream = canvas.captureStream(10);
    const client = new Sam2Client();
    const codeOf = (promise) => promise.then(() => "fine", (error) => error.code ?? `${error}`);
    const fetchAsItIs = window.fetch;
"""


@pytest.mark.parametrize("moment", ["config", "setLocalDescription", "offer"])
async def test_a_close_while_connecting_leaves_no_session(browser: Browser, moment: str):
    async with staged(browser) as stage:
        outcome = await stage.page.evaluate(
            f"""async (moment) => {{ {PRELUDE}
                window.fetch = async (url, options) => {{
                    const answer = await fetchAsItIs(url, options);
                    if (`${{url}}`.endsWith(moment)) client.close();
                    return answer;
                }};
                const describe = RTCPeerConnection.prototype.setLocalDescription;
                RTCPeerConnection.prototype.setLocalDescription = async function () {{
                    await describe.call(this);
                    if (moment === "setLocalDescription") client.close();
                }};
                const code = await codeOf(client.connect(stream));
                return [code, client.isOpen, await codeOf(client.connect(stream))];
            }}""",
            moment,
        )
        assert outcome == ["closed", False, "closed"]
        await stage.until(lambda: stage.served.service.num_open == 0)


async def test_a_prompt_too_large_for_the_service_is_not_sent(browser: Browser):
    async with staged(browser) as stage:
        codes = await stage.page.evaluate(
            f"""async () => {{ {PRELUDE}
                const {{ limits }} = await client.connect(stream);
                const counts = "0".repeat(limits.max_message_bytes);
                const large = client.prompt({{ trackId: 1, mask: {{ size: [9, 9], counts }} }});
                return [await codeOf(large), await codeOf(client.configure({{ output: "none" }}))];
            }}"""
        )
        assert codes == ["too_large", "fine"]


async def test_a_session_ends_under_the_path_that_a_proxy_gives_the_service(browser: Browser):
    async with staged(browser) as stage:
        deleted = await stage.page.evaluate(
            f"""async () => {{ {PRELUDE}
                const deleted = [];
                window.fetch = (url, options) => {{
                    if (options?.method === "DELETE") deleted.push(new URL(url).pathname);
                    return fetchAsItIs(`${{url}}`.replace("/behind/this/", "/"), options);
                }};
                await client.connect(stream, {{ url: `${{location.origin}}/behind/this` }});
                client.close();
                return deleted;
            }}"""
        )
        assert len(deleted) == 1
        assert deleted[0].startswith("/behind/this/whip/")
        await stage.until(lambda: stage.served.service.num_open == 0)


async def test_an_unreadable_mask_frame_is_a_fault_and_the_session_goes_on(browser: Browser):
    async with staged(browser) as stage:
        outcome = await stage.page.evaluate(
            f"""async () => {{ {PRELUDE}
                const channels = {{}};
                const create = RTCPeerConnection.prototype.createDataChannel;
                RTCPeerConnection.prototype.createDataChannel = function (label, options) {{
                    return (channels[label] = create.call(this, label, options));
                }};
                await client.connect(stream);
                const faults = [];
                client.addEventListener("fault", ({{ detail }}) => faults.push(detail.code));
                const data = new Uint8Array([1, 2, 3]).buffer;
                channels.masks.dispatchEvent(new MessageEvent("message", {{ data }}));
                return [faults, await codeOf(client.configure({{ output: "none" }}))];
            }}"""
        )
        assert outcome == [["unreadable"], "fine"]
